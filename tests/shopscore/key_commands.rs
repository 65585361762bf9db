//! Keys by hand, and where a service asks for them: the program as a user runs it.

use std::path::Path;
use std::process::Output;

use serde_json::json;
use shopscore::cli::serve::check_exposure;
use shopscore::config::{Auth, ListenSettings};

use crate::support::answer;
use crate::support::program::{Process, empty_directory, program};

/// Whether a command went well, and what it printed: for programs, and for people.
fn run(directory: &Path, arguments: &[&str]) -> (bool, String, String) {
    let Output { status, stdout, stderr } = program(directory, arguments).output().expect("the program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.success(), text(stdout), text(stderr))
}

/// The status of a read, with or without a key.
async fn status(base: &str, key: Option<&str>) -> u16 {
    let mut request = reqwest::Client::new().get(format!("{base}/v1/rule-sets"));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    answer(request).await.0
}

#[test]
fn keys_are_asked_for_wherever_others_can_reach_the_service() {
    for (listen, auth, wanted) in [
        ("127.0.0.1:8080", None, Some(false)),
        ("[::1]:8080", None, Some(false)),
        ("127.0.0.1:8080", Some(Auth::Off), Some(false)),
        ("127.0.0.1:8080", Some(Auth::Required), Some(true)),
        ("0.0.0.0:8080", None, Some(true)),
        ("[::]:8080", None, Some(true)),
        ("10.0.0.1:8080", Some(Auth::Required), Some(true)),
        ("0.0.0.0:8080", Some(Auth::Off), None),
        ("[::]:8080", Some(Auth::Off), None),
        ("10.0.0.1:8080", Some(Auth::Off), None),
    ] {
        let listening = ListenSettings { listen: listen.parse().expect("an address"), auth };
        let starts = check_exposure(&listening).is_ok();
        assert_eq!(starts.then(|| listening.auth_required()), wanted, "{listen} {auth:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_before_the_service_runs_and_listed_and_revoked_beside_it() {
    let directory = empty_directory("keys");
    assert!(run(&directory, &["migrate"]).0);
    let create = ["key", "create", "--scope", "scores:read", "--shop", "s-1", "--name", "ERP"];
    let (success, made, said) = run(&directory, &create);
    assert!(success, "{said}");
    let key = made.trim_end();
    assert!(key.starts_with("ssk_") && made.lines().count() == 1, "nothing but the key: {made}");
    assert!(!said.contains(key), "what goes to logs does not hold the key: {said}");

    let process = Process::start(&mut program(&directory, &["--listen", "0.0.0.0:0"]));
    let base = process.base.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(status(&base, None).await, 401, "off loopback keys are asked for");
    assert_eq!(status(&base, Some(key)).await, 200);
    let (_, second, said) = run(&directory, &["key", "create", "--scope", "events:write", "--expires", "2099-01-01"]);
    assert!(second.starts_with("ssk_"), "{said}");
    assert_eq!(status(&base, Some(second.trim_end())).await, 403, "one that is made beside the service is known");

    let (success, listed, said) = run(&directory, &["key", "list"]);
    assert!(success, "{said}");
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 2, "{listed}");
    assert_eq!(rows[0][2..], ["events:write", "all shops", "expires 2098-12-31T16:00:00Z", ""]);
    assert_eq!(rows[1][1..], [&key[..20], "scores:read", "s-1", "active", "ERP"]);
    let random = key.rsplit('_').next().expect("the random part");
    assert!(random.len() == 64 && !listed.contains(random), "{listed}");

    for (arguments, reason) in [
        (&["create", "--scope", "scores:write"][..], "a scope is one of events:write"),
        (&["create", "--scope", "admin", "--shop", "s-1"][..], "leave shops and creators out"),
        (&["create", "--scope", "scores:read", "--shop", "a,b"][..], "without spaces and commas"),
        (&["create", "--scope", "scores:read", "--expires", "soon"][..], "--expires is a date"),
        (&["create", "--scope", "scores:read", "--expires", "2020-01-01"][..], "in the future"),
        (&["create", "--scope", "all", "--shop", "s-1"][..], "leave shops and creators out"),
        (&["create"][..], "--scope"),
        (&["revoke", "99"][..], "no key has the id 99; see shopscore key list"),
    ] {
        let (success, printed, said) = run(&directory, &[&["key"][..], arguments].concat());
        assert!(!success && printed.is_empty() && said.contains(reason), "{arguments:?}: {printed}{said}");
    }
    assert_eq!(run(&directory, &["key", "list"]).1, listed, "nothing was made");

    let (success, printed, said) = run(&directory, &["key", "revoke", rows[1][0]]);
    assert!(success && printed.starts_with("Revoked key"), "{printed}{said}");
    while status(&base, Some(key)).await != 401 {
        tokio::task::yield_now().await;
    }
    let (_, listed, _) = run(&directory, &["key", "list"]);
    assert!(listed.lines().nth(1).is_some_and(|line| line.contains("\trevoked ")), "{listed}");
    drop(process);
    let process = Process::start(&mut program(&directory, &["--listen", "127.0.0.1:0", "--auth", "required"]));
    let (code, problem) = answer(reqwest::Client::new().get(format!("{}/v1/keys", process.base))).await;
    assert_eq!((code, &problem["type"]), (401, &json!("urn:shopscore:problem:unauthorized")));
    let (success, everything, said) = run(&directory, &["key", "create", "--scope", "all"]);
    assert!(success, "{said}");
    for path in ["/v1/rule-sets", "/v1/runs"] {
        let request = reqwest::Client::new().get(format!("{}{path}", process.base)).bearer_auth(everything.trim_end());
        assert_eq!(answer(request).await.0, 200, "{path}");
    }
}

#[test]
fn load_reads_compressed_and_marked_files_and_refuses_others_as_a_whole() {
    let directory = crate::support::scratch("load");
    std::fs::create_dir_all(&directory).expect("a directory");
    assert!(run(&directory, &["migrate"]).0);
    let event = |id: &str| {
        format!(
            r#"{{"id":"{id}","type":"order.signed","shop_id":"s","time":"2026-11-08T10:00:00+08:00","data":{{"order_id":"o"}}}}"#
        )
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, (event("gz") + "\n").as_bytes()).expect("compression");
    let gzip = encoder.finish().expect("compression");
    let wide: Vec<u8> = "\u{feff}".encode_utf16().chain(event("w").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let array = format!("[\n{},\n{}\n]", event("a"), event("b"));
    for (name, bytes, expected) in [
        ("marked", format!("\u{feff}{}\n", event("bom")).into_bytes(), Ok("1 accepted")),
        ("gzip", [gzip.clone(), gzip].concat(), Ok("1 accepted")),
        ("zstd", zstd::encode_all(event("zst").as_bytes(), 1).expect("zstd"), Ok("1 accepted")),
        ("wide", wide, Err("UTF-16")),
        ("array", array.into_bytes(), Err("array")),
    ] {
        let file = directory.join(name);
        std::fs::write(&file, bytes).expect("a file");
        let (success, printed, said) = run(&directory, &["load", file.to_str().expect("a path")]);
        match expected {
            Ok(found) => assert!(success && format!("{printed}{said}").contains(found), "{name}: {printed}{said}"),
            Err(reason) => {
                assert!(!success && said.contains(reason) && !said.contains("accepted"), "{name}: {printed}{said}");
            }
        }
    }
}
