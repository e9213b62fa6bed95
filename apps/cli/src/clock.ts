/** The time on this machine, for options that say how long. */
export const now = (): Date => new Date();
