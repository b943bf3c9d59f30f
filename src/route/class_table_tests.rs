//! The table of failures, as it is written: every class at every place of the chain, streamed and whole, shown and held
//! back. What is expected is spelled out here and not asked of the code that is tested.

use super::test_world::*;
use super::*;
use crate::chat::FailureClass;
use crate::provider::scripted::{Ending, Scene};

/// One line of the table.
struct Row {
    class: FailureClass,
    /// Whether the same candidate may be asked again.
    retried: bool,
    /// Whether the next one is asked: under a route's usual choices, and under the opposite ones.
    goes_on: [bool; 2],
    /// How a stream shows it before there was any text.
    streamed: Scene,
    /// How a stream shows it after half of an answer, where it can.
    midway: Option<Scene>,
    /// How an answer that comes whole shows it.
    whole: Scene,
}

const ALWAYS: [bool; 2] = [true, true];
const IF_ASKED: [bool; 2] = [false, true];
const UNLESS_ASKED: [bool; 2] = [true, false];

fn stream(pieces: &[&str], ending: Ending) -> Scene {
    Scene::Stream { pieces: pieces.iter().map(|piece| (NOW, (*piece).to_owned())).collect(), ending }
}

fn whole(body: &str) -> Scene {
    Scene::Reply { after: NOW, status: 200, headers: vec![], body: body.to_owned() }
}

/// The table of docs/architecture.md, with the traffic that gives each class.
fn table() -> Vec<Row> {
    use FailureClass::*;
    let half = chunk("half");
    let error = |code: &str| format!("{{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}");
    let refused = |status, code: &str| refuses_with(status, vec![], &error(code));
    let in_band = |code: &str| Some(stream(&[&half, &format!("data: {}\n\n", error(code))], Ending::Clean));
    let row = |class, retried, goes_on, scene: Scene, midway| Row {
        class,
        retried,
        goes_on,
        streamed: scene.clone(),
        midway,
        whole: scene,
    };
    vec![
        row(Unreachable, true, ALWAYS, Scene::Refuse, None),
        row(ServerError, true, ALWAYS, refuses(503), in_band("server_error")),
        Row {
            streamed: stream(&[": wait\n\n"], Ending::Hang),
            ..row(Timeout, false, ALWAYS, refuses(408), Some(stream(&[&half], Ending::Hang)))
        },
        row(RateLimited, true, ALWAYS, refuses(429), in_band("rate_limit_exceeded")),
        row(QuotaExhausted, false, ALWAYS, refused(429, "insufficient_quota"), in_band("insufficient_quota")),
        row(Auth, false, ALWAYS, refuses(401), in_band("invalid_api_key")),
        row(ModelUnavailable, false, ALWAYS, refuses(404), in_band("model_not_found")),
        row(
            ContextOverflow,
            false,
            ALWAYS,
            refused(400, "context_length_exceeded"),
            in_band("context_length_exceeded"),
        ),
        row(ContentPolicy, false, IF_ASKED, refused(400, "content_filter"), in_band("content_filter")),
        row(BadRequest, false, IF_ASKED, refuses(400), None),
        Row {
            streamed: stream(&["data: {oops\n\n"], Ending::Clean),
            whole: whole("<html>oops</html>"),
            ..row(Malformed, true, ALWAYS, NEVER, Some(stream(&[&half, "data: {oops\n\n"], Ending::Clean)))
        },
        Row {
            streamed: stream(&[], Ending::Broken),
            whole: stream(&["{\"choices\":[{\"mess"], Ending::Broken),
            ..row(Truncated, true, ALWAYS, NEVER, Some(stream(&[&half], Ending::Clean)))
        },
        Row {
            streamed: stream(&[&finish()], Ending::Clean),
            whole: whole(r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#),
            ..row(Empty, true, ALWAYS, NEVER, None)
        },
        row(Unknown, false, UNLESS_ASKED, refuses(424), None),
    ]
}

/// Stands for a scene that is replaced.
const NEVER: Scene = Scene::Refuse;

/// Where the candidate is that fails. Those before it have nothing to offer, those after it answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Alone,
    First,
    Middle,
    Last,
}

impl Place {
    /// How many there are, and which of them fails.
    fn of(self) -> (usize, usize) {
        match self {
            Self::Alone => (1, 0),
            Self::First => (3, 0),
            Self::Middle => (3, 1),
            Self::Last => (3, 2),
        }
    }
}

/// One way to meet it.
#[derive(Clone, Copy, Debug)]
struct Setting {
    place: Place,
    stream: bool,
    shows: bool,
    midway: bool,
    /// The route's choices are the opposite of the usual ones.
    turned: bool,
    restarts: bool,
    retry: Retry,
}

fn settings() -> Vec<Setting> {
    let retry = |retries, when| Retry { retries, when, ..Retry::default() };
    let retries = [retry(0, RetryWhen::Alone), retry(1, RetryWhen::Alone), retry(2, RetryWhen::First)];
    let both = [false, true];
    let mut settings = Vec::new();
    for place in [Place::Alone, Place::First, Place::Middle, Place::Last] {
        for (stream, midway) in [(false, false), (true, false), (true, true)] {
            for shows in both {
                for turned in both {
                    for restarts in if midway { &both[..] } else { &both[..1] } {
                        let of = |retry| Setting {
                            place,
                            stream,
                            shows,
                            midway,
                            turned,
                            restarts: *restarts,
                            retry,
                        };
                        settings.extend(retries.map(of));
                    }
                }
            }
        }
    }
    settings
}

/// What must come of it.
#[derive(Debug, PartialEq)]
struct Expected {
    /// Who is asked, in order.
    asked: Vec<&'static str>,
    /// Who answers, or why nobody does.
    end: Result<&'static str, Why>,
    /// What is told on the way, the first two words of each.
    told: Vec<String>,
    /// What a user has seen of an answer that never came.
    shown: &'static str,
    not_tried: usize,
}

const HOSTS: [&str; 3] = ["a", "b", "c"];

fn expected(row: &Row, setting: Setting) -> Expected {
    let (candidates, at) = setting.place.of();
    let seen = setting.shows && setting.midway;
    let goes_on = row.goes_on[usize::from(setting.turned)] && (!seen || setting.restarts);
    let others = at + 1 < candidates;
    let times = match setting.retry.when {
        _ if !goes_on || !row.retried => 1,
        RetryWhen::Alone if others => 1,
        _ => 1 + setting.retry.retries as usize,
    };
    let answered = goes_on && others;
    let mut asked = HOSTS[..at].to_vec();
    asked.extend(vec![HOSTS[at]; times]);
    let mut told: Vec<String> =
        HOSTS[..at].iter().map(|host| format!("{host}/m: model_unavailable")).collect();
    // What ends a call is not told on the way.
    for _ in 0..if answered { times } else { times - 1 } {
        told.push(format!("{}/m: {}", HOSTS[at], row.class));
        if seen {
            told.push(format!("{}/m broke", HOSTS[at]));
        }
    }
    let end = if answered {
        asked.push(HOSTS[at + 1]);
        Ok(HOSTS[at + 1])
    } else if seen {
        Err(Why::BrokeOff)
    } else if goes_on {
        Err(Why::AllFailed)
    } else {
        Err(Why::Stopped)
    };
    Expected {
        asked,
        end,
        told,
        shown: if seen && !answered { "half" } else { "" },
        not_tried: if answered { 0 } else { candidates - at - 1 },
    }
}

async fn found(row: &Row, setting: Setting) -> Expected {
    let (candidates, at) = setting.place.of();
    let fails = match (&row.midway, setting.stream) {
        (Some(scene), true) if setting.midway => scene,
        (_, true) => &row.streamed,
        (_, false) => &row.whole,
    };
    let scenes = (0..candidates).map(|index| match index {
        before if before < at => refuses(404),
        this if this == at => fails.clone(),
        _ if setting.stream => answers("ok"),
        _ => whole(r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}"#),
    });
    let mut world = World::new(HOSTS.into_iter().zip(scenes.map(|scene| vec![scene])));
    world.stream = setting.stream;
    let usual = if setting.turned { Choice::GoOn } else { Choice::Stop };
    let policy = Policy {
        retry: setting.retry,
        on_content_policy: usual,
        on_bad_request: usual,
        on_unknown: if setting.turned { Choice::Stop } else { Choice::GoOn },
        on_midstream: if setting.restarts { Choice::GoOn } else { Choice::Stop },
        ..Policy::default()
    };
    let mut listener = Shown { shows: setting.shows, text: String::new(), notices: vec![] };
    let record = world.call_shown(&route(&HOSTS[..candidates], policy), &mut listener).await;
    let failed = record.attempts.iter().filter(|attempt| attempt.model_ref.provider == HOSTS[at]);
    for attempt in failed {
        assert_eq!(attempt.failure.as_ref().unwrap().class, row.class, "{setting:?}");
    }
    let name = |host: &str| HOSTS.into_iter().find(|known| *known == host).unwrap();
    let two_words = |notice: &String| {
        notice
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
            .trim_end_matches([':', ';'])
            .to_owned()
    };
    Expected {
        asked: world.transport.order().iter().map(|host| name(host)).collect(),
        shown: record
            .outcome
            .as_ref()
            .err()
            .map_or("", |none| if none.shown.is_empty() { "" } else { "half" }),
        end: record.outcome.map(|answer| name(&answer.model_ref.provider)).map_err(|none| none.why),
        told: listener.notices.iter().map(two_words).collect(),
        not_tried: record.not_tried.len(),
    }
}

#[tokio::test(start_paused = true)]
async fn every_class_ends_as_the_table_says_at_every_place() {
    for row in table() {
        for setting in settings() {
            if setting.midway && row.midway.is_none() {
                continue;
            }
            assert_eq!(found(&row, setting).await, expected(&row, setting), "{}: {setting:?}", row.class);
        }
    }
}

#[test]
fn the_table_has_every_class() {
    let rows: Vec<FailureClass> = table().iter().map(|row| row.class).collect();
    let missing: Vec<_> = FailureClass::ALL.into_iter().filter(|class| !rows.contains(class)).collect();
    // No provider says this: it is the caller who went away.
    assert_eq!(missing, [FailureClass::Cancelled]);
    let policy = Policy { on_unknown: Choice::GoOn, on_bad_request: Choice::GoOn, ..Policy::default() };
    let cancelled = reaction(FailureClass::Cancelled, &policy, false);
    assert_eq!((cancelled.retry, cancelled.fail_over, cancelled.sign), (false, false, Sign::None));
}
