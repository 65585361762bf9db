//! Enums whose members have fixed words: the same on the wire, in rows, in rule files and in documentation.

/// A member of an enum that [`words!`] defined.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// The name of the enum.
    const NAME: &'static str;

    /// Every member, in the order of its declaration.
    const MEMBERS: &'static [Self];

    fn as_str(self) -> &'static str;

    /// The member of a word.
    fn parse(word: &str) -> Option<Self> {
        Self::MEMBERS.iter().copied().find(|member| member.as_str() == word)
    }

    /// All words, as a sentence lists them.
    fn list() -> String {
        Self::MEMBERS.iter().map(|member| member.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// A text is none of an enum's words.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not one of the known words")]
pub struct UnknownWord(pub String);

/// Defines an enum with a word for each member.
macro_rules! words {
    ($(#[$about:meta])* $visibility:vis enum $name:ident { $($(#[$of_member:meta])* $member:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name { $($(#[$of_member])* $member,)+ }

        impl $name {
            $visibility const ALL: [$name; [$($word),+].len()] = [$($name::$member),+];

            $visibility fn as_str(self) -> &'static str {
                match self { $($name::$member => $word,)+ }
            }

            $visibility fn parse(word: &str) -> Option<$name> {
                <$name as $crate::domain::words::Word>::parse(word)
            }
        }

        impl $crate::domain::words::Word for $name {
            const NAME: &'static str = stringify!($name);
            const MEMBERS: &'static [$name] = &$name::ALL;

            fn as_str(self) -> &'static str {
                $name::as_str(self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::domain::words::UnknownWord;

            fn try_from(word: String) -> Result<$name, Self::Error> {
                $name::parse(&word).ok_or($crate::domain::words::UnknownWord(word))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::Word;

    words! {
        enum Colour { Red = "red", DarkBlue = "dark_blue", }
    }

    #[test]
    fn a_member_is_found_by_its_own_word_and_by_no_other() {
        assert_eq!(Colour::ALL.map(|colour| Colour::parse(colour.as_str())), Colour::ALL.map(Some));
        assert_eq!(Colour::parse("DarkBlue"), None);
        assert_eq!(Colour::list(), "red, dark_blue");
        assert!(Colour::try_from("green".to_owned()).is_err());
    }
}
