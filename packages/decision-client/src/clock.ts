/** Milliseconds that never go back, on the scale of `Clock.monotonicMs()` of @sallyport/storage. */
export const monotonicMs = (): number => performance.now();
