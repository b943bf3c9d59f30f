//! Connections that are opened while the attempt before is running long.

use std::sync::Arc;
use std::time::Duration;

use super::test_world::*;
use super::*;
use crate::provider::scripted::{Ending, Scene};

/// Content after so many milliseconds, and the end 20 s later.
fn answers_after(milliseconds: u64) -> Scene {
    let content = (Duration::from_millis(milliseconds), chunk("ok"));
    Scene::Stream { pieces: vec![content, (seconds(20), finish())], ending: Ending::Clean }
}

fn hangs() -> Scene {
    Scene::Stream { pieces: vec![], ending: Ending::Hang }
}

/// Which hosts were warmed, after which milliseconds.
fn warmed(world: &World) -> Vec<(u128, String)> {
    world.transport.warmed.lock().unwrap().iter().map(|(at, host)| (at.as_millis(), host.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_next_candidate_is_warmed_when_an_attempt_runs_long() {
    for (first, first_token, expected) in [
        (answers_after(900), None, vec![]),
        (answers_after(1100), None, vec![(1000, "b".to_owned())]),
        (answers_after(700), Some(seconds(2)), vec![(500, "b".to_owned())]),
        (refuses(503), None, vec![]),
    ] {
        let world = World::new([("a", vec![first]), ("b", vec![answers("ok")]), ("c", vec![answers("ok")])]);
        let deadlines = Deadlines { first_token, ..Deadlines::default() };
        let record = world.call(&route(&["a", "b", "c"], Policy { deadlines, ..Policy::default() })).await;
        assert_eq!((text(&record), warmed(&world)), ("ok", expected));
    }
}

#[tokio::test(start_paused = true)]
async fn each_in_turn_is_warmed_once_and_whoever_is_away_is_not() {
    let hosts =
        || ["a", "b", "c"].map(|host| (host, vec![if host == "c" { answers("ok") } else { hangs() }]));
    let world = World::new(hosts());
    let three = route(&["a", "b", "c"], Policy::default());
    assert_eq!(text(&world.call(&three).await), "ok");
    assert_eq!(warmed(&world), [(1000, "b".to_owned()), (31_000, "c".to_owned())]);

    // `b` is blocked for its key, so that `c` comes next.
    let world = World::new([("a", vec![hangs()]), ("b", vec![refuses(401)]), ("c", vec![answers("ok")])]);
    world.call(&route(&["b"], Policy::default())).await;
    assert_eq!(text(&world.call(&three).await), "ok");
    assert_eq!(warmed(&world), [(1010, "c".to_owned())]);
    // Nobody comes after the last one.
    let world = World::new([("a", vec![answers_after(5000)])]);
    assert_eq!(text(&world.call(&route(&["a"], Policy::default())).await), "ok");
    assert_eq!(warmed(&world), []);
}

#[tokio::test(start_paused = true)]
async fn warming_changes_nothing_and_ends_with_the_call() {
    // What is warmed here never ends by itself.
    let world = World::new([("a", vec![answers_after(9000)]), ("b", vec![answers("never")])]);
    let record = world.call(&route(&["a", "b"], Policy::default())).await;
    assert_eq!((text(&record), record.latency, record.attempts.len()), ("ok", seconds(29), 1));
    assert_eq!(world.transport.order(), ["a"], "it is no attempt");
    assert_eq!(warmed(&world).len(), 1);
    tokio::task::yield_now().await;
    // The world's own, and the router's.
    assert_eq!(Arc::strong_count(&world.transport), 2, "it was let go");
}

#[tokio::test(start_paused = true)]
async fn whole_answers_warm_too() {
    let body = r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}"#;
    let whole = |after| Scene::Reply { after, status: 200, headers: vec![], body: body.into() };
    let mut world = World::new([("a", vec![whole(seconds(8))]), ("b", vec![whole(NOW)])]);
    world.stream = false;
    assert_eq!(text(&world.call(&route(&["a", "b"], Policy::default())).await), "ok");
    assert_eq!(warmed(&world), [(1000, "b".to_owned())]);
}
