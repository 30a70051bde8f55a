// Server-sent events out of a fetch response: EventSource can neither POST nor carry a bearer token.

export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = blank();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (event.data.length > 0) yield finish(event);
          event = { ...blank(), id: event.id };
        } else {
          read(line, event);
        }
      }
    }
  } finally {
    // Reached by `break`, too: the connection is closed, and the reply goes on without us.
    reader.cancel().catch(() => {});
  }
}

function blank() {
  return { name: "message", id: "", data: [] };
}

function read(line, event) {
  const colon = line.indexOf(":");
  if (colon === 0) return;
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (field === "event") event.name = value;
  else if (field === "id") event.id = value;
  else if (field === "data") event.data.push(value);
}

function finish(event) {
  const text = event.data.join("\n");
  let data = null;
  try {
    data = JSON.parse(text);
  } catch {
    // `done` may carry no JSON.
  }
  return { name: event.name, id: event.id, data };
}
