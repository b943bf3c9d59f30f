//! Costs of recorded and written usage, compared with an independent calculation from raw JSON and the catalog's CSV.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use slalom::catalog::{Catalog, cost_at_list_price};
use slalom::chat::{Assembler, Failure, Response, StreamEvent};
use slalom::dialect::{DecodeProgress, Dialect, Quirks, WireHeaders, WireResponse};
use slalom::provider::built_in_providers;

use crate::harness::dialect;
use crate::samples::written_samples_folder;
use crate::shared_folder::shared_path;

/// The provider and dialect of a sample folder; `None` for folders without chats.
fn resolve_provider_and_dialect(folder: &str, url: &str) -> Option<(&'static str, Dialect)> {
    let provider = match folder {
        "openai-chat" | "openai-responses" => "openai",
        "azure" | "azure-responses" => "azure",
        "deepseek" | "deepseek-responses" => "deepseek",
        "openrouter" | "openrouter-responses" => "openrouter",
        "xai" | "xai-responses" => "xai",
        "gemini" | "gemini-openai" => "gemini",
        "anthropic" => "anthropic",
        "vertex" => "vertex",
        "bedrock" => "bedrock",
        "cohere" => "cohere",
        "mistral" => "mistral",
        "groq" => "groq",
        "perplexity" => "perplexity",
        "cerebras" => "cerebras",
        "dashscope" => "dashscope",
        "moonshot" => "moonshot",
        "ollama" if url.contains("/api/chat") => "ollama",
        _ => return None,
    };
    let dialect = match folder {
        "gemini" | "vertex" => dialect("gemini"),
        "anthropic" => dialect("anthropic"),
        "bedrock" => dialect("bedrock"),
        "cohere" => dialect("cohere"),
        "ollama" => dialect("ollama"),
        _ if folder.ends_with("-responses") || url.contains("/responses") => dialect("openai-responses"),
        _ => dialect("openai-chat"),
    };
    Some((provider, dialect))
}

/// Token counts, each with the CSV column of its price.
type PricedTokens = Vec<(u128, &'static str)>;

/// The billed tokens; `input` selects the price tier.
struct BilledUsage {
    input: u128,
    parts: PricedTokens,
}

fn parse_count(value: &Value, pointer: &str) -> Option<u128> {
    value.pointer(pointer)?.as_f64().map(|n| n as u128)
}

/// The last reported value of a count.
fn last_count(objects: &[&Value], pointers: &[&str]) -> Option<u128> {
    objects.iter().rev().find_map(|object| pointers.iter().find_map(|pointer| parse_count(object, pointer)))
}

fn parse_billed_usage(provider: &str, dialect: Dialect, objects: &[Value]) -> Option<BilledUsage> {
    let all: Vec<&Value> = objects.iter().collect();
    let last = |pointers: &[&str]| last_count(&all, pointers);
    let billed = |input: u128, cached: u128, short: u128, long: u128, output: u128| {
        let plain = input.saturating_sub(cached + short + long);
        let parts = vec![
            (plain, "usd_input"),
            (cached, "usd_cached_input"),
            (short, "usd_cache_write"),
            (long, "usd_cache_write_1h"),
            (output, "usd_output"),
        ];
        Some(BilledUsage { input, parts })
    };
    match dialect.as_str() {
        "openai-chat" => {
            let cached = last(&[
                "/usage/prompt_tokens_details/cached_tokens",
                "/usage/prompt_cache_hit_tokens",
                "/usage/cached_tokens",
            ]);
            let written = last(&[
                "/usage/prompt_tokens_details/cache_write_tokens",
                "/usage/prompt_tokens_details/cache_creation_input_tokens",
            ]);
            let reasoning = last(&["/usage/completion_tokens_details/reasoning_tokens"]).unwrap_or(0);
            let separate = if provider == "xai" { reasoning } else { 0 };
            let output = last(&["/usage/completion_tokens", "/x_groq/usage/completion_tokens"])? + separate;
            let input = last(&["/usage/prompt_tokens", "/x_groq/usage/prompt_tokens"])?;
            let mut billed_usage = billed(input, cached.unwrap_or(0), written.unwrap_or(0), 0, output)?;
            billed_usage.parts.push((reasoning.min(output), "usd_reasoning"));
            Some(billed_usage)
        }
        "openai-responses" => {
            let at = |name: &str| last(&[&format!("/response/usage/{name}"), &format!("/usage/{name}")]);
            let cached = at("input_tokens_details/cached_tokens").unwrap_or(0);
            let written = at("input_tokens_details/cache_write_tokens").unwrap_or(0);
            billed(at("input_tokens")?, cached, written, 0, at("output_tokens")?)
        }
        "anthropic" => {
            let at = |name: &str| last(&[&format!("/usage/{name}"), &format!("/message/usage/{name}")]);
            let cached = at("cache_read_input_tokens").unwrap_or(0);
            let written = at("cache_creation_input_tokens").unwrap_or(0);
            let long = at("cache_creation/ephemeral_1h_input_tokens").unwrap_or(0);
            let input = at("input_tokens")? + cached + written;
            billed(input, cached, written - long, long, at("output_tokens")?)
        }
        "gemini" => {
            let at = |name: &str| last(&[&format!("/usageMetadata/{name}")]);
            let input = at("promptTokenCount")? + at("toolUsePromptTokenCount").unwrap_or(0);
            let output = at("candidatesTokenCount").unwrap_or(0) + at("thoughtsTokenCount").unwrap_or(0);
            billed(input, at("cachedContentTokenCount").unwrap_or(0), 0, 0, output)
        }
        "cohere" => {
            let at = |name: &str| {
                last(&[&format!("/usage/billed_units/{name}"), &format!("/delta/usage/billed_units/{name}")])
            };
            billed(at("input_tokens")?, 0, 0, 0, at("output_tokens")?)
        }
        "ollama" => billed(last(&["/prompt_eval_count"])?, 0, 0, 0, last(&["/eval_count"])?),
        "bedrock" => {
            let cached = last(&["/usage/cacheReadInputTokens"]).unwrap_or(0);
            let written = last(&["/usage/cacheWriteInputTokens"]).unwrap_or(0);
            let hour = |usage: &Value| -> Option<u128> {
                let of_ttl = |d: &&Value| d["ttl"] == "1h";
                let details = usage["cacheDetails"].as_array()?.iter().filter(of_ttl);
                Some(details.filter_map(|d| parse_count(d, "/inputTokens")).sum())
            };
            let long = objects.iter().rev().find_map(|o| hour(&o["usage"])).unwrap_or(0);
            let input = last(&["/usage/inputTokens"])? + cached + written;
            billed(input, cached, written - long, long, last(&["/usage/outputTokens"])?)
        }
        other => panic!("no expected usage for {other}"),
    }
}

/// The catalog rows by provider and model, as text by column name.
fn load_catalog_rows() -> BTreeMap<(String, String), BTreeMap<String, String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/models.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let records = reader.deserialize::<BTreeMap<String, String>>();
    records
        .map(|row| row.unwrap())
        .map(|row| ((row["provider"].clone(), row["model"].clone()), row))
        .collect()
}

/// Parses a decimal such as `0.075` into billionths; empty and `-` mean unknown.
fn parse_billionths(text: &str) -> Option<u128> {
    if matches!(text, "" | "-") {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(format!("{whole}{fraction:0<9}").parse().unwrap())
}

/// The price in the last tier whose bound is below `input`, else the base price.
fn resolve_tier_price(row: &BTreeMap<String, String>, input: u128, column: &str) -> Option<u128> {
    const TIER_PRICE_COLUMNS: [&str; 6] = [
        "usd_input",
        "usd_cached_input",
        "usd_cache_write",
        "usd_cache_write_1h",
        "usd_output",
        "usd_reasoning",
    ];
    let at = TIER_PRICE_COLUMNS.iter().position(|name| *name == column).unwrap();
    let mut text = row[column].as_str();
    for tier in row["tiers"].split(';').filter(|tier| !tier.is_empty()) {
        let fields: Vec<&str> = tier.split(' ').collect();
        if input > fields[0].parse().unwrap() {
            text = fields[at + 1];
        }
    }
    parse_billionths(text)
}

fn compute_cost_nano_dollars(row: &BTreeMap<String, String>, usage: &BilledUsage) -> Option<u128> {
    let mut parts = usage.parts.clone();
    let reasoning_price = resolve_tier_price(row, usage.input, "usd_reasoning");
    let reasoning: u128 = parts.iter().filter(|(_, column)| *column == "usd_reasoning").map(|(n, _)| n).sum();
    parts.retain(|(_, column)| *column != "usd_reasoning");
    if reasoning_price.is_some() {
        let output = parts.iter_mut().find(|(_, column)| *column == "usd_output").unwrap();
        output.0 -= reasoning;
        parts.push((reasoning, "usd_reasoning"));
    }
    let mut millionths = 0;
    for (tokens, column) in parts.into_iter().filter(|(tokens, _)| *tokens > 0) {
        millionths += tokens * resolve_tier_price(row, usage.input, column)?;
    }
    let (whole, rest) = (millionths / 1_000_000, millionths % 1_000_000);
    Some(if rest >= 500_000 { whole + 1 } else { whole })
}

/// The cost that the provider reports, in nano-dollars.
fn parse_reported_cost(objects: &[Value]) -> Option<f64> {
    objects.iter().rev().find_map(|object| {
        let usage = [&object["usage"], &object["response"]["usage"]].into_iter().find(|u| u.is_object())?;
        let dollars = usage["cost"].as_f64().or(usage["cost"]["total_cost"].as_f64());
        dollars.map(|usd| usd * 1e9).or(usage["cost_in_usd_ticks"].as_f64().map(|ticks| ticks / 10.0))
    })
}

fn parse_json_objects(bytes: &[u8]) -> Vec<Value> {
    if bytes.first() == Some(&0) {
        // An AWS event stream: take everything between braces that parses.
        let (mut found, mut rest) = (Vec::new(), bytes);
        while let Some(at) = rest.iter().position(|b| *b == b'{') {
            let mut values = serde_json::Deserializer::from_slice(&rest[at..]).into_iter::<Value>();
            match values.next() {
                Some(Ok(value)) => {
                    rest = &rest[at + values.byte_offset()..];
                    found.push(value);
                }
                _ => rest = &rest[at + 1..],
            }
        }
        return found;
    }
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:").unwrap_or(line).trim()).ok())
        .collect()
}

fn decode_sample(
    dialect: Dialect,
    quirks: &Quirks,
    bytes: &[u8],
    is_complete: bool,
) -> Result<Response, Failure> {
    if is_complete {
        let reply = WireResponse { status: 200, headers: &WireHeaders::default(), body: bytes };
        return dialect.client_codec().decode_response(reply, quirks);
    }
    let mut decoder = dialect.client_codec().stream_decoder(quirks);
    let (mut assembler, mut events): (Assembler, Vec<StreamEvent>) = Default::default();
    if decoder.feed(bytes, &mut events)? == DecodeProgress::More {
        decoder.finish(&mut events)?;
    }
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

/// Checks every answer in the folder whose model is in the catalog. Returns how many have a known price.
fn check_costs(folder: &Path, kind: &str) -> u32 {
    let mut manifest = csv::Reader::from_path(folder.join("manifest.csv")).unwrap();
    let (rows, catalog) = (load_catalog_rows(), Catalog::default());
    let quirks: BTreeMap<String, Quirks> =
        built_in_providers().unwrap().into_iter().map(|row| (row.name, row.quirks)).collect();
    let (mut tally, mut wrong): (BTreeMap<&str, u32>, Vec<String>) = Default::default();
    let (mut unknown, mut by_provider) = (0, 0);
    for row in manifest.deserialize::<BTreeMap<String, String>>().map(Result::unwrap) {
        let Some((provider, dialect)) = resolve_provider_and_dialect(&row["dialect"], &row["url"]) else {
            continue;
        };
        let model = row["model"].replace("%3A", ":");
        let (Some(facts), Some(prices)) =
            (catalog.find(provider, &model), rows.get(&(provider.to_owned(), model.clone())))
        else {
            continue;
        };
        if row["method"] != "POST" || row["status"] != "200" || row["kind"] != kind {
            continue;
        }
        for suffix in ["response.json", "stream.sse", "stream.ndjson", "eventstream.bin"] {
            if !row["files"].split(' ').any(|file| file == suffix) {
                continue;
            }
            let bytes = fs::read(folder.join(format!("{}.{suffix}", row["sample"]))).unwrap();
            let is_complete = suffix == "response.json";
            let objects = if is_complete {
                serde_json::from_slice(&bytes).into_iter().collect()
            } else {
                parse_json_objects(&bytes)
            };
            if objects.iter().filter(|object| object["type"] == "message_stop").count() > 1 {
                continue; // several answers in one file
            }
            let quirks = quirks.get(provider).cloned().unwrap_or_default();
            let Ok(response) = decode_sample(dialect, &quirks, &bytes, is_complete) else { continue };
            let name = format!("{} ({suffix})", row["sample"]);
            if let Some(reported_in_body) = parse_reported_cost(&objects) {
                by_provider += 1;
                if let Some(reported) = response.usage.reported_cost_nano_usd
                    && (reported.get() as f64 - reported_in_body).abs() > 1.0
                {
                    wrong.push(format!("{name}: reported {reported:?}, expected {reported_in_body}"));
                }
                continue;
            }
            let Some(usage) = parse_billed_usage(provider, dialect, &objects) else { continue };
            let expected = compute_cost_nano_dollars(prices, &usage);
            let got = cost_at_list_price(&response.usage, &facts.pricing).map(|cost| u128::from(cost.get()));
            if got != expected {
                wrong.push(format!("{name}: {got:?}, expected {expected:?}"));
            }
            match expected {
                Some(_) => *tally.entry(provider).or_default() += 1,
                None => unknown += 1,
            }
        }
    }
    let all: u32 = tally.values().sum();
    println!(
        "costs from {kind} usage: {all} agree, {unknown} unknown on both sides, {by_provider} reported by the provider; {tally:?}"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    all
}

#[test]
fn written_usage_costs_as_calculated_independently() {
    let priced = check_costs(&written_samples_folder(), "written");
    assert_eq!(priced, 14, "one complete and one streamed answer of each dialect");
}

#[test]
#[ignore = "needs ../shared"]
fn recorded_usage_costs_as_calculated_independently() {
    let priced = check_costs(&shared_path("wire/samples"), "recorded");
    assert!(priced > 100, "only {priced} samples have a known price");
}
