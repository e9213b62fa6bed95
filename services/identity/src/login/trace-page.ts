import { escapeHtml } from '@sallyport/http';

import { page } from '../pages/index.ts';
import { explanationOf } from './trace.ts';
import type { StoredTrace } from './trace-store.ts';

const RESULTS = { passed: 'passed', failed: 'failed', 'not-reached': 'not reached' } as const;

const text = (value: unknown): string => escapeHtml(typeof value === 'string' ? value : JSON.stringify(value));

/** What a test login found, for the administrator who started it. Nobody is signed in by it. */
export const tracePage = (trace: StoredTrace): string => {
  const { checks, reason, where, arrived, account, mapped } = trace;
  const rows = checks.map(({ name, result, reason: why }) => {
    const code = why === undefined ? '' : `: <code>${escapeHtml(why)}</code>`;
    return `<li>${escapeHtml(name)}: ${RESULTS[result]}${code}</li>`;
  });
  const explanation = explanationOf(reason);
  const sentence = explanation === null ? '' : `<p>${escapeHtml(explanation)}</p>`;
  const place = where === null ? '' : `<p>At <code>${escapeHtml(where)}</code></p>`;
  const person =
    account === null
      ? ''
      : `<h2>Account</h2><p>${escapeHtml(account.userName)}${account.isNew ? ' (would be created)' : ''}</p>`;
  const listOf = (record: object): string =>
    `<dl>${Object.entries(record)
      .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${text(value)}</dd>`)
      .join('')}</dl>`;
  return page({
    title: trace.passed ? 'The test passed' : 'The test failed',
    main: `<p role="status">This was a test: nobody has been signed in.</p>
<h2>Checks</h2><ul>${rows.join('')}</ul>${sentence}${place}
<h2>What arrived</h2>${listOf(arrived)}
${mapped === null ? '' : `<h2>Mapped</h2>${listOf(mapped)}`}${person}`,
  });
};
