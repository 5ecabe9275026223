import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

/** Nothing is slower for a long limit; a machine that has much to do needs it. */
const patient = { expect: { poll: { timeout: 60_000 } } }

/** Modules of src, and those that a server loads from a folder of its user, come from Node itself, as in production. */
const byNode = { deps: { external: [/\/dist\.tests\//, /\/jetty-own-/, /\/examples\/activities\//] } }

const unitTests = ['src/**/*.test.ts', 'web/**/*.test.ts', 'bench/**/*.test.ts']
const slowUnitTests = ['src/**/*.slow.test.ts']
const left = ['test/wide/**', 'test/crash/**/!(*.fast).test.ts']

const defaultTests = ['test/**/*.test.ts', ...slowUnitTests]

/**
 * What V8 does in a worker, which lives for minutes: it collects garbage without helping threads, not whenever a test waits,
 * and only once there are 64 MB of new objects, few of which are still in use; it keeps the bytecode of what is called rarely,
 * and optimizes what runs four times as long. Takes a tenth of its CPU away.
 */
const thriftyV8 = [
  ...['--single-threaded-gc', '--no-memory-reducer', '--min-semi-space-size=64', '--max-semi-space-size=64'],
  ...['--no-flush-bytecode', '--interrupt-budget=270336'], // four times its default
]

const unit = {
  ...patient,
  execArgv: thriftyV8,
  env: { NO_COLOR: '1' }, // CI would have colours
  setupFiles: ['./test/property-seed.ts', './test/own-clock.ts', './test/own-promises.ts'],
  testTimeout: 180_000,
  // Files of one worker share their modules: loading those takes as long as the tests. Workers are processes: a thread that
  // ends closes again what it has opened as a file and a socket has closed, by then a connection of Vitest itself.
  isolate: false,
}

const integration = {
  ...unit,
  server: byNode,
  globalSetup: './test/global-setup.ts',
  hookTimeout: 300_000,
}

/** src as JavaScript is what the tests of servers load. */
const script = new URL('scripts/compiled-source.mjs', import.meta.url)
const { compiledSource } = (await import(script.href)) as { compiledSource: () => Plugin }
const plugins = [compiledSource()]

/** The pages import it. */
const resolve = {
  alias: {
    'virtual:operations': join(import.meta.dirname, 'test/wire-operations.ts'),
    '#jsx/jsx-dev-runtime': 'react/jsx-dev-runtime',
  },
}

/**
 * `unit` has the tests beside the code, which start no server and no database, without those that take seconds
 * (`*.slow.test.ts`): `npm run test:unit`. `default` has all others; of the crash tests it has the fast ones
 * (`test/crash/*.fast.test.ts`). `whole` has both, so that a worker loads a module once for them: it is what `npm test` runs.
 * `crash` has all of them: `npm run test:crash`. `wide` has what takes much to install: the agents and containers that the
 * default tests leave out (`npm run test:wide`).
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/counts-reporter.ts'],
    sequence: { sequencer: LongestFirst },
    // Tests wait for timeouts, drains and retries: with five workers two cores are busy for 94 % of the time, and six take as long.
    maxWorkers: Math.min(availableParallelism() + 3, 7),
    projects: [
      { resolve, test: { ...unit, name: 'unit', include: unitTests, exclude: slowUnitTests } },
      { resolve, plugins, test: { ...integration, name: 'default', include: defaultTests, exclude: left } },
      {
        resolve,
        plugins,
        test: { ...integration, name: 'whole', include: [...unitTests, 'test/**/*.test.ts'], exclude: left },
      },
      {
        test: {
          ...patient,
          name: 'wide',
          include: ['test/wide/**/*.test.ts'],
          globalSetup: './test/global-setup.ts',
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...patient,
          name: 'crash',
          include: ['test/crash/**/*.test.ts'],
          globalSetup: './test/global-setup.ts',
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
