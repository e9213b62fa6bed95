/**
 * The one error type of the project.
 *
 * Owns: the closed registry of codes and the error that carries one. Does not own: rendering; each transport has
 * exactly one renderer (packages/http for problem+json, packages/grpc for statuses, the SCIM, OFREP and AuthZEN
 * slices for theirs).
 */
export { ERROR_CODES, ERROR_REGISTRY, isErrorCode, type ErrorCode, type ErrorKind, type GrpcCode } from './codes.ts';
export { AppError, isAppError, type AppErrorOptions, type FieldError } from './app-error.ts';
