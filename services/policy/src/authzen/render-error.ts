import type { AppError } from '@sallyport/errors';
import type { ErrorRenderer } from '@sallyport/http';

/** The statuses AuthZEN defines (§10.1.2); everything else a request can do wrong is a bad request. */
const statusOf = (status: number): number => {
  if (status >= 500) return 500;
  return [401, 403, 404, 405, 429].includes(status) ? status : 400;
};

/** What is wrong, and where when a field is. */
const messageOf = ({ message, fields }: AppError): string => {
  const [field] = fields;
  return field === undefined ? message : `${message} ${field.pointer}: ${field.detail ?? field.code}`;
};

/** AuthZEN answers an error with its status and a message string. */
export const renderAuthzenError: ErrorRenderer = (error, { status, opaque }) => ({
  status: statusOf(status),
  body: JSON.stringify(opaque ? 'The decision could not be made.' : messageOf(error)),
  headers: { 'content-type': 'application/json' },
});
