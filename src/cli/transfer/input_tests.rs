use std::io::Write;

use super::{Input, ParcelSize};

/// The numbers and texts of all items of a file, and what is wrong with it.
fn read(name: &str, bytes: &[u8], from: u64) -> (Vec<(u64, String)>, Option<String>) {
    let file = std::env::temp_dir().join(format!("shopscore-input-{}-{name}", std::process::id()));
    std::fs::File::create(&file).and_then(|mut opened| opened.write_all(bytes)).expect("a file");
    let mut input = Input::of_events(&file, from, ParcelSize { items: 2, bytes: 1_000 }).expect("an input");
    let (mut items, mut fault) = (Vec::new(), None);
    while let Some(parcel) = input.parcels.blocking_recv() {
        match parcel {
            Ok(parcel) => items.extend(
                parcel.items.into_iter().map(|item| (item.number, String::from_utf8_lossy(&item.content).into_owned())),
            ),
            Err(error) => fault = Some(error.to_string()),
        }
    }
    std::fs::remove_file(&file).expect("the file");
    (items, fault)
}

fn owned(items: &[(u64, &str)]) -> Vec<(u64, String)> {
    items.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
}

#[test]
fn lines_and_arrays_are_split_into_events_with_their_numbers() {
    let lines = b"\xEF\xBB\xBF{\"a\":1}\r\n\n  {\"b\":2}\nnonsense\n{\"c\":3}";
    let wanted = [(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "nonsense"), (5, "{\"c\":3}")];
    assert_eq!(read("lines", lines, 1), (owned(&wanted), None));
    assert_eq!(read("later", lines, 4), (owned(&wanted[2..]), None), "from a line on");
    let array = b" [ {\"a\": [1, \"]\"]},\n 7 ,{\"b\":\"}\"} ] ";
    assert_eq!(read("array", array, 1), (owned(&[(1, "{\"a\": [1, \"]\"]}"), (2, "7"), (3, "{\"b\":\"}\"}")]), None));
    assert_eq!(read("empty", b" \n ", 1), (Vec::new(), None));
    let blanks = [vec![b'\n'; (1 << 20) + 5], b" {\"a\":1}".to_vec()].concat();
    assert_eq!(
        read("blanks", &blanks, 1),
        (owned(&[((1 << 20) + 6, "{\"a\":1}")]), None),
        "more than is read at a time"
    );
}

#[test]
fn what_is_read_before_a_broken_place_is_sent_and_the_place_is_named() {
    let (items, fault) = read("broken", b"[{\"a\":1},{\"b\":2},{\"c\":3},nonsense]", 1);
    assert_eq!(items.len(), 3);
    assert!(fault.is_some_and(|fault| fault.contains("the JSON array is broken") && fault.contains("column")));
    for (name, bytes, reason) in [
        ("csv", &b"order_id,shop_id\n1,2\n"[..], "begins with neither { nor ["),
        ("utf16", &b"\xFF\xFE{\0"[..], "UTF-16"),
    ] {
        let (items, fault) = read(name, bytes, 1);
        assert!(items.is_empty() && fault.as_ref().is_some_and(|fault| fault.contains(reason)), "{fault:?}");
    }
}

#[test]
fn a_line_without_an_end_takes_little_memory() {
    let long = [b"{\"a\":\"", vec![b'x'; 3 << 20].as_slice(), b"\"}\n{\"b\":2}\n"].concat();
    let (items, fault) = read("long", &long, 1);
    assert_eq!((items.len(), fault), (2, None));
    assert_eq!((items[0].1.len(), items[1].clone()), (256 * 1024, (2, "{\"b\":2}".to_owned())));
}
