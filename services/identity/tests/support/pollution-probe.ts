/**
 * Loaded into a process before the service: on SIGUSR2 it tries every way to pollute what all objects share, and says
 * which of them worked.
 */
import process from 'node:process';

const shared = (value: object): Record<string, unknown> => Object.getPrototypeOf(value) as Record<string, unknown>;

const ATTEMPTS: Readonly<Record<string, () => void>> = {
  'Object.prototype': () => {
    shared({})['polluted'] = true;
  },
  'constructor.prototype': () => {
    ({}.constructor as unknown as { prototype: Record<string, unknown> }).prototype['polluted'] = true;
  },
  toString: () => {
    (({} as Record<string, unknown>)['toString'] as Record<string, unknown>)['polluted'] = true;
  },
  'Array.prototype': () => {
    shared([])['polluted'] = true;
  },
  'Array.prototype.map': () => {
    (([] as unknown as Record<string, unknown>)['map'] as Record<string, unknown>)['polluted'] = true;
  },
  'Function.prototype': () => {
    shared(() => undefined)['polluted'] = true;
  },
  'Object.keys': () => {
    (Object as unknown as Record<string, Record<string, unknown>>)['keys'] = {};
  },
  defineProperty: () => {
    Object.defineProperty(shared({}), 'polluted', { value: true });
  },
};

process.on('SIGUSR2', () => {
  const succeeded = Object.entries(ATTEMPTS).flatMap(([name, attempt]) => {
    try {
      attempt();
      return [name];
    } catch {
      return [];
    }
  });
  const polluted = Object.keys(Object.getOwnPropertyDescriptors(Object.prototype)).includes('polluted');
  process.stdout.write(
    `${JSON.stringify({ msg: 'probed', tried: Object.keys(ATTEMPTS).length, succeeded, polluted })}\n`,
  );
});
