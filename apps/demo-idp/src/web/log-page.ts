import type { LogEntry } from '../exchange-log.ts';
import { html, type Html } from './html.ts';

/** The newest entries first, as list items; the page asks for more of them by their number. */
export function logItems(entries: readonly LogEntry[]): Html[] {
  return entries.toReversed().map(logItem);
}

function logItem(entry: LogEntry): Html {
  const time = entry.at.slice(11, 23);
  const [path = '', query] = readablePath(entry.path ?? '').split('?', 2);
  return html`<li class="entry ${tone(entry)}" data-seq="${entry.seq}">
    <p class="entry-line">
      <time datetime="${entry.at}">${time}</time>
      ${entry.method === null ? null : html`<span class="method">${entry.method}</span>`}
      <span class="entry-what">${entry.method === null ? entry.summary : path}</span>
      ${answerBadge(entry)} ${entry.ms === null ? null : html`<span class="ms">${formatMs(entry.ms)}</span>`}
    </p>
    ${query === undefined ? null : html`<p class="query">${query}</p>`}
    ${entry.requestBody === null && entry.responseBody === null && entry.error === null ? null : details(entry)}
  </li>`;
}

function details(entry: LogEntry): Html {
  const sent = entry.requestBody === null ? null : JSON.stringify(entry.requestBody, null, 2);
  const answered = entry.responseBody === null || entry.responseBody === '' ? null : pretty(entry.responseBody);
  return html`<details>
    <summary>${entry.attempt > 1 ? `Try ${String(entry.attempt)} · ` : ''}what was sent and answered</summary>
    ${
      sent === null
        ? null
        : html`<p class="caption">Sent</p>
            <pre tabindex="0">${sent}</pre>`
    }
    ${
      answered === null
        ? null
        : html`<p class="caption">Answered</p>
            <pre tabindex="0">${answered}</pre>`
    }
    ${entry.error === null ? null : html`<p class="caption">No answer: ${entry.error}</p>`}
  </details>`;
}

function answerBadge(entry: LogEntry): Html | null {
  if (entry.method === null) return null;
  return html`<span class="badge">${entry.status ?? 'no answer'}</span>`;
}

function tone(entry: LogEntry): string {
  if (entry.method === null) return 'is-event';
  return entry.status !== null && entry.status < 400 ? 'is-good' : 'is-bad';
}

/** Milliseconds with one decimal below ten. */
export function formatMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : String(Math.round(ms))} ms`;
}

function readablePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
