/// <reference lib="dom" />
// Makes the forms of the page answer in place and keeps the log and the people current.
// Everything works without this script: each control is an ordinary form.
const POLL_MS = 1000;
const MAX_SHOWN = 300;
const log = document.querySelector('#log');
const statusLine = document.querySelector('#status');

/**
 * Takes over the parts of a freshly rendered page that change, without losing the focus.
 * @param {string} text
 */
function takeOver(text) {
  const fresh = new DOMParser().parseFromString(text, 'text/html');
  const focused = document.activeElement?.id ?? '';
  for (const selector of ['#company', '.top']) {
    const [present, next] = [document.querySelector(selector), fresh.querySelector(selector)];
    if (present !== null && next !== null) present.replaceWith(next);
  }
  const again = focused === '' ? null : document.querySelector(`#${CSS.escape(focused)}`);
  if (again instanceof HTMLElement) again.focus();
}

/** @param {string} sentence */
function say(sentence) {
  if (statusLine !== null) statusLine.textContent = sentence;
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} button
 */
async function submit(form, button) {
  const body = new URLSearchParams();
  for (const [name, value] of new FormData(form, button)) if (typeof value === 'string') body.append(name, value);
  form.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(form.action, { method: 'POST', body });
    takeOver(await answer.text());
    await readLog();
    say(answer.ok ? (button?.dataset['say'] ?? 'Done') : 'That did not work');
  } catch {
    form.removeAttribute('aria-busy');
    say('The identity provider does not answer');
  }
}

/** Adds what is new on top and tells whether something was. */
async function readLog() {
  const newest = log?.querySelector('li')?.dataset['seq'] ?? '0';
  const answer = await fetch(`/ui/log?after=${newest}`);
  const items = await answer.text();
  if (log === null || !answer.ok || items === '') return false;
  log.prepend(...new DOMParser().parseFromString(items, 'text/html').body.children);
  while (log.children.length > MAX_SHOWN) log.lastElementChild?.remove();
  return true;
}

async function poll() {
  try {
    const isChoosing = document.activeElement instanceof HTMLSelectElement;
    if (!document.hidden && (await readLog()) && !isChoosing) {
      const answer = await fetch('/');
      takeOver(await answer.text());
    }
  } catch {
    // The next round tries again; a restart of the program is nothing to report every second.
  }
  setTimeout(poll, POLL_MS);
}

document.addEventListener('submit', (event) => {
  if (!(event.target instanceof HTMLFormElement)) return;
  event.preventDefault();
  submit(event.target, event.submitter).catch(() => {
    say('That did not work');
  });
});
setTimeout(poll, POLL_MS);
