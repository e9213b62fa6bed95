import type { ErrorRenderer } from '@sallyport/http';

/** The statuses AuthZEN defines (§10.1.2); everything else a request can do wrong is a bad request. */
const statusOf = (status: number): number => {
  if (status >= 500) return 500;
  return [401, 403, 404, 405, 429].includes(status) ? status : 400;
};

/** AuthZEN answers an error with its status and a message string. */
export const renderAuthzenError: ErrorRenderer = (error, { status, opaque }) => ({
  status: statusOf(status),
  body: JSON.stringify(opaque ? 'The decision could not be made.' : error.message),
  headers: { 'content-type': 'application/json' },
});
