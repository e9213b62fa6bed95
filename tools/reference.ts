// The pages of docs/reference, each from the code that defines what it lists.
import { ERROR_CODES, ERROR_REGISTRY } from '@sallyport/errors';

const errors = (): string => {
  const rows = ERROR_CODES.map((code) => {
    const { http, grpc, title, retryable } = ERROR_REGISTRY[code];
    return `| \`${code}\` | ${String(http)} | \`${grpc}\` | ${retryable ? 'yes' : 'no'} | ${title} |`;
  });
  return [
    '# Error codes',
    '',
    'Source: `packages/errors/src/codes.ts`. On HTTP the code is `code` in an `application/problem+json` body and the',
    'last part of `type`; on gRPC it is the `reason` of `google.rpc.ErrorInfo` in the domain `sallyport`.',
    '',
    '| code | HTTP | gRPC | retry | meaning |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
};

/** File name below docs/reference and text of every page. */
export const documents = async (): Promise<Map<string, string>> => {
  await Promise.resolve();
  return new Map([['errors.md', errors()]]);
};
