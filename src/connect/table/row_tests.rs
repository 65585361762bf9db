use csv::StringRecord;
use serde_json::{Value, json};

use super::{RowFault, RowReader};
use crate::connect::table::map_file;
use crate::connect::table::shipped::ShippedMap;
use crate::domain::fault::{Code, Fault};

fn laid(source: &str, columns: &[&str], shop_id: Option<&str>) -> Result<RowReader, Vec<String>> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    map_file::parse(source).expect("a map").over(&columns, shop_id, chrono_tz::Asia::Shanghai)
}

fn events(reader: &RowReader, cells: &[&str]) -> Result<Vec<Value>, Vec<RowFault>> {
    let reading = reader.read(&StringRecord::from(cells.to_vec()));
    if reading.faults.is_empty() {
        Ok(reading.events.into_iter().map(|event| event.value).collect())
    } else {
        Err(reading.faults.concat())
    }
}

const REVIEWS: &str = "shop_id = \"shop\"
empty = [\"-\"]
[[event]]
type = \"review.posted\"
time = \"at\"
id = \"{order}/{review}\"
when = [{ column = \"state\", is = [\"shown\"] }]
data.order_id = \"order\"
data.review_id = \"review\"
data.product_stars = { column = \"grade\", words = { \"good\" = 5, \"bad\" = 1 }, default = 5 }
data.service_stars = { column = [\"service\", \"desk\"] }
";
const COLUMNS: [&str; 7] = ["shop", "at", "order", "review", "grade", "desk", "state"];

#[test]
fn a_row_makes_the_events_that_the_map_says() {
    let reader = laid(REVIEWS, &COLUMNS, None).expect("a reader");
    let row = ["s-1", "2026-11-08 10:00:00", "\to-1", "r-1", "good", "4", "shown"];
    let wanted = json!({"id": "o-1/r-1", "type": "review.posted", "shop_id": "s-1", "time": "2026-11-08T02:00:00Z",
                        "data": {"order_id": "o-1", "review_id": "r-1", "product_stars": 5, "service_stars": 4}});
    assert_eq!(events(&reader, &row), Ok(vec![wanted.clone()]));
    let with = |place: usize, cell| {
        let mut row = row;
        row[place] = cell;
        events(&reader, &row)
    };
    assert_eq!(with(6, "hidden"), Ok(Vec::new()), "not what the map is about");
    assert_eq!(with(1, "-"), Ok(Vec::new()), "it has not happened");
    assert_eq!(with(4, ""), Ok(vec![wanted]), "the default");
    let fault = |column: &str, code, part: &str, found: Result<Vec<Value>, Vec<RowFault>>| {
        let faults = found.expect_err(part);
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        assert!(fault.column.as_deref() == Some(column) && fault.code == code, "{fault:?}");
        assert!(fault.detail.contains(part), "{fault:?}");
    };
    fault("at", Code::InvalidTime, "times = [", with(1, "yesterday"));
    fault("order", Code::MissingField, "order_id", with(2, ""));
    fault("grade", Code::InvalidValue, "words = {", with(4, "so so"));
    fault("shop", Code::MissingField, "no shop", with(0, ""));
    // What the door finds is told of the column, too.
    let reading = reader.read(&StringRecord::from(row.to_vec()));
    for (pointer, column) in
        [("/data/service_stars", Some("desk")), ("/time", Some("at")), ("/id", Some("order")), ("", None)]
    {
        let told = reader.fault_of(reading.events[0].place, &Fault::new(pointer, Code::InvalidValue, "wrong"));
        assert_eq!(told.column.as_deref(), column, "{pointer}");
    }
}

#[test]
fn ids_are_made_of_what_events_say_where_a_map_names_none() {
    let source = "[[event]]\ntype = \"order.signed\"\ntime = \"at\"\ndata.order_id = \"order\"";
    let reader = laid(source, &["order", "at", "note"], Some("s-1")).expect("a reader");
    let id = |cells: [&str; 3]| events(&reader, &cells).expect("events")[0]["id"].as_str().expect("an id").to_owned();
    let first = id(["o-1", "2026-11-08 10:00", "x"]);
    assert!(first.starts_with("order.signed:") && first.len() == 45, "{first}");
    assert_eq!(first, id(["o-1", "2026/11/08 10:00", "y"]), "the same fact");
    assert!(first != id(["o-2", "2026-11-08 10:00", "x"]) && first != id(["o-1", "2026-11-08 10:01", "x"]));
}

#[test]
fn what_a_table_lacks_is_told_all_at_once_or_makes_no_event_where_it_may() {
    let faults = laid(REVIEWS, &["at", "order", "grade"], None).expect_err("faults").join("\n");
    for column in ["shop", "review", "state"] {
        assert!(faults.contains(&format!("no column {column}; it has at, order, grade")), "{column}: {faults}");
    }
    assert!(!faults.contains("desk"), "nobody needs it: {faults}");
    let source = "[[event]]\ntype = \"order.signed\"\ntime = \"signed\"\ndata.order_id = \"order\"";
    assert!(laid(source, &["order", "signed"], None).expect_err("no shop")[0].contains("whose rows"));
    let reader =
        laid(ShippedMap::Orders.source(), &["order_id", "shop_id", "paid_at", "signed_at"], None).expect("a reader");
    let absent: Vec<&str> = reader.absent.iter().map(|absent| absent.event_type.as_str()).collect();
    assert_eq!(absent, ["order.promised", "order.shipped", "order.picked_up", "order.confirmed", "order.cancelled"]);
    assert_eq!(events(&reader, &["o-1", "s-1", "2026-11-08 10:00", "2026-11-09 10:00"]).expect("events").len(), 2);
}

#[test]
fn an_optional_event_that_lacks_a_column_is_not_made_at_all_and_defaults_are_read_like_cells() {
    let columns = ["aftersale_id", "order_id", "shop_id", "kind", "opened_at", "completed_at"];
    let reader = laid(ShippedMap::Aftersales.source(), &columns, None).expect("a reader");
    assert!(
        reader.absent.iter().any(|absent| absent.columns == ["outcome", "售后结果", "售后状态"]),
        "{:?}",
        reader.absent
    );
    let row = ["a-1", "o-1", "s-1", "换货", "2026-10-03 13:30", "2026-10-04 13:30"];
    let made = events(&reader, &row).expect("events");
    assert_eq!(
        (made.len(), &made[0]["data"]["kind"], &made[0]["data"]["reason"]),
        (1, &json!("exchange"), &json!("other"))
    );
    let source = "[[event]]\ntype = \"review.posted\"\ntime = \"at\"\ndata.order_id = \"o\"\ndata.review_id = \"o\"\n\
                  data.product_stars = { column = \"stars\", default = \"5\" }";
    let reader = laid(source, &["o", "at"], Some("s-1")).expect("a reader");
    assert_eq!(events(&reader, &["o-1", "2026-10-03 13:30"]).expect("an event")[0]["data"]["product_stars"], 5);
}

#[test]
fn the_maps_that_come_with_the_program_can_be_read() {
    for shipped in ShippedMap::ALL {
        assert!(shipped.map().is_ok(), "{shipped}: {:?}", shipped.map().err());
    }
}
