interface DriverError {
  readonly code?: unknown;
  readonly constraint?: unknown;
}

// TypeORM copies the driver's fields onto its QueryFailedError.
const driverError = (error: unknown): DriverError => (typeof error === 'object' && error !== null ? error : {});

/** SQLSTATE 23505, optionally of one named constraint or unique index. */
export const isUniqueViolation = (error: unknown, constraint?: string): boolean => {
  const { code, constraint: violated } = driverError(error);
  return code === '23505' && (constraint === undefined || violated === constraint);
};

/** SQLSTATE 23503. */
export const isForeignKeyViolation = (error: unknown, constraint?: string): boolean => {
  const { code, constraint: violated } = driverError(error);
  return code === '23503' && (constraint === undefined || violated === constraint);
};

/** SQLSTATE 40001 or 40P01 (deadlock): the transaction may be tried again as a whole. */
export const isSerializationFailure = (error: unknown): boolean => {
  const { code } = driverError(error);
  return code === '40001' || code === '40P01';
};

/** SQLSTATE 42501: the role may not do this. */
export const isInsufficientPrivilege = (error: unknown): boolean => driverError(error).code === '42501';

/** The SQLSTATE of a driver error; undefined for anything else. */
export const sqlState = (error: unknown): string | undefined => {
  const { code } = driverError(error);
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
};
