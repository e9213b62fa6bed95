/**
 * Freezes `Object`, `Array` and `Function`, their prototypes and the functions on both.
 *
 * The second line against prototype pollution: a path such as `__proto__.x` or `toString.x` that slips through a
 * library fails with a TypeError instead of changing every object of the process. Call it once, after every import
 * (some libraries assign to these prototypes while loading) and before serving. `Error.prototype` stays open: Node's
 * own HTTP client assigns to it.
 */
export const hardenProcess = (): void => {
  for (const constructor of [Object, Array, Function]) {
    freezeWithFunctions(constructor);
    freezeWithFunctions(constructor.prototype as object);
  }
};

const freezeWithFunctions = (target: object): void => {
  for (const descriptor of Object.values(Object.getOwnPropertyDescriptors(target)))
    for (const member of [descriptor.value, descriptor.get, descriptor.set] as unknown[])
      if (typeof member === 'function') Object.freeze(member);
  Object.freeze(target);
};
