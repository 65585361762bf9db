//! Tables that are imported: by the command, and over HTTP.

use serde_json::{Value, json};

use crate::keys::{guarded_with, make};
use crate::push::stored;
use crate::support::program::{empty_directory, run, write};
use crate::support::{Choices, TestService, answer};

const ORDERS: &str = include_str!("../../examples/orders.csv");
const REVIEWS: &str = include_str!("../../examples/reviews.csv");
const AFTERSALES: &str = include_str!("../../examples/aftersales.csv");

/// The second row's time is none, its neighbours' are sound.
fn broken() -> String {
    let broken = ORDERS.replacen("2026-10-02 19:10:00", "tomorrow", 1);
    assert_ne!(broken, ORDERS);
    broken.replace("20261004,shop-7", "6.92E+18,shop-7")
}

#[test]
fn import_loads_good_rows_writes_bad_ones_aside_and_can_be_repeated() {
    let directory = empty_directory("import");
    assert_eq!(run(&directory, &["migrate"]).0, Some(0));
    let file = write(&directory, "orders.csv", broken());
    let (status, printed, said) = run(&directory, &["import", &file, "--map", "orders"]);
    assert_eq!(status, Some(1), "{printed}{said}");
    assert!(printed.contains("5 rows (0 make no event): 18 events"), "{printed}");
    assert!(printed.contains("15 accepted, 0 duplicates, 0 conflicts, 3 rejected"), "{printed}");
    assert!(said.contains("line 3: picked_up_at \"tomorrow\" is no time"), "{said}");
    assert!(said.contains("line 5: order_id \"6.92E+18\" is a number that a spreadsheet has shortened"), "{said}");
    // What was written aside can be corrected and imported as it is.
    let aside = format!("{file}.rejected.csv");
    let rejected = std::fs::read_to_string(&aside).expect("the rejected rows");
    assert!(
        rejected.starts_with("\u{feff}#line,#reason,order_id,shop_id,") && rejected.lines().count() == 3,
        "{rejected}"
    );
    let corrected = rejected.replace(",tomorrow,", ",2026-10-02 19:10:00,").replace(",6.92E+18,", ",20261004,");
    let corrected = write(&directory, "corrected.csv", corrected);
    let (status, printed, _) = run(&directory, &["import", &corrected, "--map", "orders", "--json"]);
    let summary: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((status, &summary["accepted"], &summary["duplicates"]), (Some(0), &json!(3), &json!(4)), "{summary}");
    assert!(!directory.join("corrected.csv.rejected.csv").exists());
    // A table may have a column of the name that the reason had: it is read, and not what was written in front of it.
    let cases = write(&directory, "cases.csv", AFTERSALES.replacen("2026-10-09 09:30:00", "early", 1));
    assert_eq!(run(&directory, &["import", &cases, "--map", "aftersales"]).0, Some(1));
    let rejected = std::fs::read_to_string(format!("{cases}.rejected.csv")).expect("the rejected rows");
    let corrected = write(&directory, "cases2.csv", rejected.replace(",early,", ",2026-10-09 09:30:00,"));
    let (_, printed, _) = run(&directory, &["import", &corrected, "--map", "aftersales"]);
    assert!(printed.contains("1 accepted, 2 duplicates"), "{printed}");
    // The whole table again, corrected: nothing is new.
    let whole = write(&directory, "whole.csv", ORDERS);
    let (_, printed, _) = run(&directory, &["import", &whole, "--map", "orders", "--json"]);
    let summary: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((&summary["rows"], &summary["duplicates"], &summary["accepted"]), (&json!(5), &json!(18), &json!(0)));
    assert_eq!(run(&directory, &["verify"]).0, Some(0));
}

#[test]
fn a_check_lists_every_bad_row_stores_nothing_and_needs_no_database() {
    let directory = empty_directory("check");
    let file = write(&directory, "orders.csv", broken());
    let (status, printed, _) = run(&directory, &["import", &file, "--map", "orders", "--check", "--json"]);
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((status, lines.len()), (Some(1), 3), "{printed}");
    assert_eq!(lines[0]["number"], 3);
    assert_eq!(lines[0]["errors"][0]["pointer"], "picked_up_at");
    assert_eq!(lines[0]["errors"][0]["code"], "invalid_time");
    assert_eq!((&lines[2]["rejected"], &lines[2]["dry_run"]), (&json!(3), &json!(true)));
    assert!(!directory.join("orders.csv.rejected.csv").exists());
    assert!(!directory.join("state").exists() && !directory.join("postgres").exists(), "no database was made");
    // A map that does not fit, is wrong, or is not there; a file that is no table.
    let own = write(
        &directory,
        "map.toml",
        "[[event]]\ntype = \"order.signed\"\ntime = \"when\"\ndata.order_id = \"order_id\"",
    );
    let wrong = write(&directory, "wrong.toml", "[[event]]\ntype = \"order.sent\"\ntime = \"t\"");
    let workbook = write(&directory, "orders.xlsx", b"PK\x03\x04rest");
    for (table, map, reason) in [
        (&file, own.as_str(), "the table has no column when; it has order_id, shop_id"),
        (&file, own.as_str(), "say whose rows these are"),
        (&file, wrong.as_str(), "line 2: type is one of order.paid"),
        (&file, "nothing", "it is a file, or one of orders, reviews, aftersales"),
        (&workbook, "orders", "it is a workbook, not a text; save it as CSV"),
    ] {
        let (status, printed, said) = run(&directory, &["import", table, "--map", map, "--check"]);
        assert!(status == Some(3) && printed.is_empty() && said.contains(reason), "{reason}: {said}");
    }
}

#[test]
fn a_table_of_a_back_office_in_gb18030_is_read_by_a_map_of_ones_own() {
    let directory = empty_directory("gb18030");
    let map = "empty = [\"-\"]\n[[event]]\ntype = \"order.paid\"\ntime = \"付款时间\"\nid = \"{订单号}:paid\"\n\
               when = [{ column = \"状态\", not = [\"已关闭\"] }]\n\
               data.order_id = \"订单号\"\ndata.kind = { column = \"类型\", words = { \"实物\" = \"physical\" }, other = \"virtual\" }\n";
    let map = write(&directory, "map.toml", map);
    let table = "订单号\t付款时间\t类型\t状态\n\t7001\t2026/10/1 8:05\t实物\t已完成\n7002\t-\t实物\t待付款\n7003\t2026/10/1 8:06\t电子卡券\t已关闭\n";
    // A tab before a number is what keeps spreadsheets from shortening it.
    let table = table.replace("\n\t7001", "\n\"\t7001\"");
    let (bytes, _, _) = encoding_rs::GB18030.encode(&table);
    let table = write(&directory, "table.tsv", &bytes);
    assert_eq!(run(&directory, &["migrate"]).0, Some(0));
    let (status, printed, said) = run(&directory, &["import", &table, "--map", &map, "--shop", "shop-7"]);
    assert_eq!(status, Some(0), "{printed}{said}");
    assert!(printed.contains("3 rows (2 make no event): 1 events") && printed.contains("1 accepted"), "{printed}");
}

async fn import(service: &TestService, key: &str, query: &str, table: &str) -> (u16, Value) {
    let request = service.client.post(service.url(&format!("/v1/imports{query}"))).bearer_auth(key);
    answer(request.header("content-type", "text/csv; charset=utf-8").body(table.to_owned())).await
}

/// A request in parts, each with its name.
fn parts(parts: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n{content}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--x--\r\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_rows_are_told_of_by_line_and_column() {
    let service = guarded_with(Choices::default()).await;
    let (key, _) = make(&service, &["events:write", "events:relay"], &[]).await;
    let (status, rehearsed) = import(&service, &key, "?map=orders&dry_run=true", &broken()).await;
    assert_eq!((status, &rehearsed["accepted"], &rehearsed["dry_run"]), (200, &json!(15), &json!(true)), "{rehearsed}");
    assert_eq!(stored(&service).await, 0);
    let (status, told) = import(&service, &key, "?map=orders", &broken()).await;
    assert_eq!(status, 200, "{told}");
    for (member, wanted) in
        [("rows", 5), ("events", 18), ("accepted", 15), ("rejected", 3), ("duplicates", 0), ("rows_without_events", 0)]
    {
        assert_eq!(told[member], wanted, "{member}: {told}");
    }
    let first = &told["faults"][0];
    assert_eq!(
        (&first["line"], &first["column"], &first["code"]),
        (&json!(3), &json!("picked_up_at"), &json!("invalid_time"))
    );
    assert_eq!(stored(&service).await, 15);
    let (_, told) = import(&service, &key, "?map=orders", ORDERS).await;
    assert_eq!(
        (&told["accepted"], &told["duplicates"], &told["absent"]),
        (&json!(3), &json!(15), &json!([])),
        "{told}"
    );
    // The other tables, and the same order by another time: its id is made of what it says, so it is a second one.
    for (map, table, events) in [("reviews", REVIEWS, 2), ("aftersales", AFTERSALES, 6)] {
        let (status, told) = import(&service, &key, &format!("?map={map}"), table).await;
        assert_eq!((status, &told["accepted"]), (200, &json!(events)), "{map}: {told}");
    }
    // Lines end as they like, the last one not at all, and columns may be missing where steps may.
    let (_, told) = import(
        &service,
        &key,
        "?map=orders&shop_id=s-2",
        "order_id,paid_at\r\n1,2026-10-01 10:00\r\n2,2026-10-01 11:00",
    )
    .await;
    assert_eq!((&told["accepted"], told["absent"].as_array().map(Vec::len)), (&json!(2), Some(6)), "{told}");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_map_may_come_along_and_nothing_is_written_of_what_cannot_be_read() {
    let service = guarded_with(Choices::default()).await;
    let (key, _) = make(&service, &["events:write", "events:relay"], &[]).await;
    let map = "shop_id = \"s\"\n[[event]]\ntype = \"order.signed\"\ntime = \"t\"\nid = \"{o}:signed\"\ndata.order_id = \"o\"\n";
    let table = "s,o,t\ns-1,o-1,2026-10-01 10:00\ns-1,o-1,2026-10-01 11:00\n";
    let multipart = async |body: String, query: &str| {
        let request = service.client.post(service.url(&format!("/v1/imports{query}"))).bearer_auth(&key);
        answer(request.header("content-type", "multipart/form-data; boundary=x").body(body)).await
    };
    let (status, told) = multipart(parts(&[("map", map), ("file", table)]), "").await;
    assert_eq!((status, &told["accepted"], &told["conflicts"]), (200, &json!(1), &json!(1)), "{told}");
    assert_eq!((&told["faults"][0]["code"], &told["faults"][0]["line"]), (&json!("conflict"), &json!(3)));
    let unclosed = format!("{table}s-1,\"o-2,2026-10-01 10:00\n{}", "x".repeat(2_000_000));
    for (body, query, status, part) in [
        (parts(&[("map", map)]), "", 422, "no part file"),
        (parts(&[("file", table)]), "", 400, "name a map"),
        (parts(&[("map", map), ("file", table), ("file", table)]), "", 422, "two parts file"),
        (parts(&[("map", &"# a\n".repeat(20_000)), ("file", table)]), "", 422, "at most 64 KiB"),
        (parts(&[("map", map), ("file", table)]), "?map=orders", 400, "name a map, or send one"),
        (parts(&[("map", "event = 1"), ("file", table)]), "", 422, "the map is wrong: line 1"),
        (parts(&[("map", map), ("file", "a,b\n1,2\n")]), "", 422, "no column o; it has a, b"),
        (parts(&[("map", map), ("file", &unclosed)]), "", 422, "a quotation mark is not closed"),
        ("nonsense".to_owned(), "", 400, "the parts cannot be read"),
    ] {
        let (found, problem) = multipart(body, query).await;
        assert_eq!(found, status, "{part}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(part)), "{part}: {problem}");
    }
    assert_eq!(stored(&service).await, 1, "what broke off wrote nothing");
    assert_eq!(import(&service, &key, "?map=columns", table).await.0, 400);
    let request = service.client.post(service.url("/v1/imports?map=orders")).bearer_auth(&key);
    assert_eq!(answer(request.json(&json!([]))).await.0, 415);
    // Whose rows they are is what the key says, too.
    let (merchant, _) = make(&service, &["events:write"], &["shop-7"]).await;
    assert_eq!(import(&service, &merchant, "?map=orders", ORDERS).await.0, 403);
    let (bound, _) = make(&service, &["events:write", "events:relay"], &["shop-8"]).await;
    let (status, told) = import(&service, &bound, "?map=orders", ORDERS).await;
    assert_eq!((status, &told["accepted"], &told["rejected"]), (200, &json!(0), &json!(18)), "{told}");
    assert_eq!(
        (&told["faults"][0]["code"], &told["faults"][0]["column"]),
        (&json!("forbidden_shop"), &json!("shop_id"))
    );
    service.stop().await;
}
