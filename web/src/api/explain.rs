//! `GET /api/v1/explain?of=`: why somebody was told or not, now or at a time in the past.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ravenry_plugins::clock;

use crate::parameter::Parameters;
use crate::refusal::Refusal;
use crate::site::Site;

/// Answers it.
pub(crate) async fn answer(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let expected = "an incident's number, HOST, HOST/CHECK, HOST/GRAPH/FIELD or a contact's name";
    let of = parameters.take("of", expected, |text| {
        (!text.is_empty()).then(|| text.to_owned())
    })?;
    let Some(of) = of else {
        return Err(Refusal::parameter("of", expected, ""));
    };
    let at = parameters.take_time("at", clock::now())?;
    parameters.finish("of, at")?;
    site.ask(move |source| {
        let explained = source.explain(&of, at).map_err(Refusal::Action)?;
        super::answer(&headers, &explained)
    })
    .await?
}
