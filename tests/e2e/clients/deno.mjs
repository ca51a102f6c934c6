// SPDX-License-Identifier: Apache-2.0
// fetch of Deno: deno.mjs FOLDER PORT in-turn|at-once TIMES EXCHANGE_ID...
// LT_WAIT: opens a connection first, says "ready" and calls when there is such a file.
const [folder, port, how, times, ...ids] = Deno.args;
const dropped = new Set(['host', 'accept-encoding', 'content-length', 'connection', 'transfer-encoding']);
const environment = (name) => Deno.env.get(name) || '';

async function call(id) {
  const { request, response } = JSON.parse(await Deno.readTextFile(`${folder}/${id}.json`));
  const url = new URL(request.url);
  url.port = port;
  const headers = new Headers();
  for (const [name, value] of request.headers) {
    if (!name.startsWith(':') && !dropped.has(name.toLowerCase())) {
      headers.append(name, value.replaceAll('REDACTED', environment('LT_KEY')));
    }
  }
  headers.set('x-lt-exchange', [id, environment('LT_OPTIONS')].filter(Boolean).join('; '));
  headers.set('x-lt-want', `${environment('LT_WANT')}; pid=${Deno.pid}`);
  const answer = await fetch(url, { method: request.method, headers, body: JSON.stringify(request.body) });
  for await (const _ of answer.body) { /* as it comes */ }
  if (answer.status !== response.status) throw new Error(`${id}: status ${answer.status}`);
}

async function connectAndWait(file) {
  const { request } = JSON.parse(await Deno.readTextFile(`${folder}/${ids[0]}.json`));
  const url = new URL('/nothing', request.url);
  url.port = port;
  await (await fetch(url)).text();
  console.log('ready');
  for (;;) {
    try {
      return await Deno.stat(file);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

if (environment('LT_WAIT')) await connectAndWait(environment('LT_WAIT'));
const calls = Array.from({ length: Number(times) }, () => ids).flat();
if (how === 'at-once') await Promise.all(calls.map(call));
else for (const id of calls) await call(id);
