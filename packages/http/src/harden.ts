/**
 * Freezes `Object`, `Array` and `Function`, their prototypes and the functions on both.
 *
 * The second line against prototype pollution: a path such as `__proto__.x` or `toString.x` that slips through a
 * library fails with a TypeError instead of changing every object of the process. Call it once, after every import
 * (some libraries assign to these prototypes while loading) and before serving. `Error.prototype` stays open: Node's
 * own HTTP client assigns to it.
 *
 * Objects keep working with names that `Object.prototype` has, too: `{}.toString = x` is an ordinary assignment.
 */
export const hardenProcess = (): void => {
  for (const shared of [Object, Array, Function].flatMap((each) => [each, each.prototype as object])) {
    freezeFunctions(shared);
    if (shared === Object.prototype) allowOwnNames(shared);
    Object.freeze(shared);
  }
};

/**
 * Below a frozen prototype an assignment to a name the prototype has throws, even on an object of one's own: somebody
 * who names a field `constructor` would make a library that copies fields fail. As accessors the same names are
 * assignable everywhere but on the prototype itself.
 *
 * @see https://github.com/tc39/how-we-work/blob/main/terminology.md#override-mistake
 */
const allowOwnNames = (prototype: object): void => {
  for (const [name, { value, writable }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (writable !== true) continue;
    const get = Object.freeze(() => value as unknown);
    const set = Object.freeze(function (this: object, own: unknown) {
      if (this === prototype) throw new TypeError(`Cannot assign to '${name}' of a shared prototype.`);
      Object.defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true });
    });
    Object.defineProperty(prototype, name, { get, set });
  }
};

const freezeFunctions = (target: object): void => {
  for (const descriptor of Object.values(Object.getOwnPropertyDescriptors(target)))
    for (const member of [descriptor.value, descriptor.get, descriptor.set] as unknown[])
      if (typeof member === 'function') Object.freeze(member);
};
