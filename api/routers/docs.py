"""The API's documentation as one page that fetches nothing but `/openapi.json`."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

# Everything is put in as text and never as markup, so no description can add to the page.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TripWire API</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  pre { background: #8882; padding: .6rem; overflow-x: auto; }
  details { border-top: 1px solid #8884; padding: .4rem 0; }
  summary { cursor: pointer; }
  code { font-weight: bold; }
  h2 { margin-top: 2rem; }
</style>
<h1>TripWire API</h1>
<p id="about"></p>
<p>Send your key as <code>Authorization: Bearer twk_...</code>.
For programs: <a href="openapi.json">openapi.json</a>.</p>
<main>Loading openapi.json ...</main>
<script>
  const place = document.querySelector("main");
  const put = (parent, tag, text) => {
    const made = parent.appendChild(document.createElement(tag));
    made.textContent = text;
    return made;
  };
  const show = (spec) => {
    document.querySelector("#about").textContent = spec.info.description;
    place.textContent = "";
    const parts = new Map();
    const resolved = (schema) =>
      schema && schema.$ref ? spec.components.schemas[schema.$ref.split("/").pop()] : schema;
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const tag = (operation.tags || ["other"])[0];
        if (!parts.has(tag)) {
          parts.set(tag, document.createElement("section"));
          put(place.appendChild(parts.get(tag)), "h2", tag);
        }
        const entry = put(parts.get(tag), "details", "");
        const head = put(entry, "summary", "");
        put(head, "code", `${method.toUpperCase()} ${path}`);
        head.append(` ${operation.summary}`);
        put(entry, "p", operation.description || "");
        for (const one of operation.parameters || []) {
          put(entry, "p", `${one.in} ${one.name}${one.required ? "" : " (optional)"}: ${one.description || ""}`);
        }
        const body = operation.requestBody && operation.requestBody.content["application/json"];
        const examples = body && ((resolved(body.schema) || {}).examples || body.schema.examples || body.examples);
        if (examples) put(entry, "pre", JSON.stringify(Object.values(examples)[0], null, 2));
        for (const [status, answer] of Object.entries(operation.responses)) {
          put(entry, "div", `${status} ${answer.description}`);
        }
      }
    }
  };
  fetch("openapi.json")
    .then((answer) => answer.json())
    .then(show)
    .catch(() => { place.textContent = "openapi.json cannot be read: is the API still running?"; });
</script>
</html>
"""


@router.get("/docs", response_class=HTMLResponse)
async def docs() -> str:
    """Every operation, on one page without a foreign asset."""
    return PAGE
