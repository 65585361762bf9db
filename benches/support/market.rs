//! A market of counts in the database of the service, and runs over it.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;

use super::Outcome;
use super::client::{Client, Target};
use super::service::Service;

/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many subjects have counts, and of which days.
#[derive(Clone, Copy, Debug)]
pub struct Market {
    pub shops: u32,
    pub creators: u32,
    /// Days with counts before the score date, which has counts too.
    pub days: u32,
    /// What the counts of small shops are multiplied by.
    pub scale: u32,
    pub date: NaiveDate,
}

impl Market {
    pub fn subjects(&self) -> u32 {
        self.shops + self.creators
    }

    /// Fills the empty database of a service.
    pub fn fill(&self, service: &Service) -> Outcome<()> {
        let Market { shops, creators, days, scale, date } = self;
        eprintln!("filling: {shops} shops and {creators} creators, {days} days");
        let began = Instant::now();
        let variables = [
            ("shops", shops.to_string()),
            ("creators", creators.to_string()),
            ("days", days.to_string()),
            ("scale", scale.to_string()),
            ("date", date.to_string()),
        ];
        service.script("run/fill.sql", &variables)?;
        eprintln!("filled in {:.0} s", began.elapsed().as_secs_f64());
        Ok(())
    }
}

/// What a run took, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct RunTime {
    /// From the start of the computation to its publication, by the run's own account.
    pub computing: f64,
    /// From the request to the first look that sees it published.
    pub waiting: f64,
}

/// What the benches read of a run.
#[derive(Debug, Deserialize)]
struct RunAnswer {
    run_id: String,
    state: String,
    error: Option<String>,
    subjects_total: i64,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

/// Asks for a run, waits for it, and sees that it scored everybody.
pub async fn run(target: &Target, date: NaiveDate, subjects: u32) -> Outcome<RunTime> {
    let mut client = Client::connect(&target.address).await?;
    let request = target.post("/v1/runs", "application/json", &format!(r#"{{"date":"{date}"}}"#));
    let began = Instant::now();
    let asked: RunAnswer = serde_json::from_slice(client.send(&request).await?.of_status(&[202])?.body)?;
    let look = target.get(&format!("/v1/runs/{}", asked.run_id));
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let run: RunAnswer = serde_json::from_slice(client.send(&look).await?.of_status(&[200])?.body)?;
        match run.state.as_str() {
            "queued" | "running" => {}
            "published" if run.subjects_total == i64::from(subjects) => {
                let (started, finished) = run.started_at.zip(run.finished_at).ok_or("a run without times")?;
                let computing = (finished - started).as_seconds_f64();
                return Ok(RunTime { computing, waiting: began.elapsed().as_secs_f64() });
            }
            "published" => {
                return Err(format!("{} subjects were scored and {subjects} exist", run.subjects_total).into());
            }
            state => return Err(format!("the run is {state}: {}", run.error.unwrap_or_default()).into()),
        }
    }
}
