import { ERROR_REGISTRY } from '@sallyport/errors';
import { escapeHtml, type ErrorRenderer } from '@sallyport/http';

import { page } from './page.ts';

/** The page of a request that failed: what is wrong (below 500), and the number to give to support. */
export const renderErrorPage: ErrorRenderer = (error, { requestId, status, opaque }) => ({
  status,
  body: page({
    title: ERROR_REGISTRY[error.code].title,
    main: `${opaque ? '' : `<p>${escapeHtml(error.message)}</p>`}
<p>Request <code>${escapeHtml(requestId)}</code></p>
<p><a href="/account">To the start</a></p>`,
  }),
  headers: { 'content-type': 'text/html; charset=utf-8' },
});
