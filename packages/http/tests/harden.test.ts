import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Frozen intrinsics cannot be thawed, so every check runs in a process of its own. */
const run = async (script: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    cwd: import.meta.dirname,
  });
  return stdout.trim();
};

const POLLUTE = `
const attempts = {
  prototype: () => { (({}) as any).__proto__.polluted = 1; },
  constructorPrototype: () => { (({}) as any).constructor.prototype.polluted = 1; },
  toString: () => { (({}) as any).toString.polluted = 1; },
  callOfMethod: () => { (({}) as any).valueOf.call.polluted = 1; },
  array: () => { (([]) as any).__proto__.polluted = 1; },
  arrayMethod: () => { (([]) as any).map.polluted = 1; },
  function: () => { (() => 1 as any).__proto__.polluted = 1; },
  static: () => { (Object as any).keys.polluted = 1; },
  override: () => { (({}) as any).__proto__.toString = () => 'polluted'; },
  overrideConstructor: () => { (Object.prototype as any).constructor = class {}; },
  redefine: () => { Object.defineProperty(Object.prototype, 'valueOf', { value: 1 }); },
  getter: () => { (Object.getOwnPropertyDescriptor(Object.prototype, 'toString') as any).get.polluted = 1; },
  protoSetter: () => { (Object.getOwnPropertyDescriptor(Object.prototype, '__proto__') as any).set.polluted = 1; },
  define: () => { Object.defineProperty(Object.prototype, 'polluted', { value: 1 }); },
};
const outcome = Object.entries(attempts).map(([name, attempt]) => {
  try { attempt(); return name + ' succeeded'; } catch (error) { return (error as Error).name; }
});
console.log(new Set(outcome).size === 1 ? outcome[0] : outcome.join());
`;

describe('hardenProcess', () => {
  it('turns every way to pollute shared objects into a TypeError', async () => {
    assert.equal(
      await run(`import { hardenProcess } from '../src/index.ts'; hardenProcess(); ${POLLUTE}`),
      'TypeError',
    );
    assert.match(await run(POLLUTE), /succeeded/);
  });

  it('leaves every name free for objects of one’s own, whoever copies them', async () => {
    const output = await run(`
      import { z } from 'zod';
      import { hardenProcess } from '../src/index.ts';
      hardenProcess();
      const names = Object.getOwnPropertyNames(Object.prototype).filter((name) => name !== '__proto__');
      const given = Object.fromEntries(names.map((name) => [name, name]));
      const copies = [z.looseObject({}).parse(given), z.record(z.string(), z.string()).parse(given)];
      const assigned: Record<string, string> = {};
      for (const name of names) assigned[name] = name;
      class Named { declare toString: () => string; constructor() { this.toString = () => 'own'; } }
      const kept = [...copies, assigned].every((copy) => JSON.stringify(copy) === JSON.stringify(given));
      console.log(kept, String(new Named()), String({}), ({}).constructor === Object, Object.keys({}).length);
    `);
    assert.equal(output, 'true own [object Object] true 0');
  });

  it('leaves koa, zod, the router, the logger, metrics and fetch at work, and imports nothing afterwards', async () => {
    const output = await run(`
      import { registerHooks } from 'node:module';
      import { z } from 'zod';
      import { hardenProcess, openApi, route } from '../src/index.ts';
      import { BEARER, jsonInit, startApp } from './harness.ts';
      const edit = route({
        method: 'PUT', path: '/api/t/v1/:id', permission: 'thing:edit', surface: 'api', summary: 'x',
        params: z.object({ id: z.string() }),
        body: z.object({ a: z.array(z.object({ b: z.number().default(1) })), c: z.record(z.string(), z.unknown()) }),
        responses: { 200: z.object({ sum: z.number() }) },
        handler: ({ body }) => Promise.resolve({ status: 200, body: { sum: body.a.reduce((sum, { b }) => sum + b, 0) } }),
      });
      hardenProcess();
      const late: string[] = [];
      registerHooks({ resolve: (specifier, context, next) => { late.push(specifier); return next(specifier, context); } });
      const app = await startApp([edit]);
      const ok = await app.fetch('/api/t/v1/x', jsonInit('PUT', { a: [{}, { b: 2 }], c: { d: 1 } }));
      const bad = await app.fetch('/api/t/v1/x', jsonInit('PUT', '{"__proto__":1}'));
      const late404 = await app.fetch('/nowhere', { headers: BEARER });
      const metrics = await app.fetch('/metrics');
      openApi([edit], { title: 'x', version: '1' });
      console.log(JSON.stringify([ok.status, await ok.json(), bad.status, late404.status, metrics.status, late]));
      await app.close();
    `);
    assert.deepEqual(JSON.parse(output), [200, { sum: 3 }, 400, 404, 200, []]);
  });
});
