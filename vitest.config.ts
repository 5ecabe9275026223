import { defineConfig } from 'vitest/config'

const everyTest = ['src/**/*.test.ts', 'test/**/*.test.ts', 'web/**/*.test.ts']

/**
 * `default` is what `npm test` runs; of the crash tests it has the fast ones (`test/crash/*.fast.test.ts`). `crash` has
 * all of them: `npm run test:crash`. `wide` has what takes much to install: the agents and containers that the default
 * tests leave out (`npm run test:wide`).
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/closing-line-reporter.ts'],
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'default',
          include: everyTest,
          exclude: ['node_modules/**', 'dist/**', 'test/wide/**', 'test/crash/**/!(*.fast).test.ts'],
          globalSetup: './test/global-setup.ts',
          setupFiles: './test/property-seed.ts',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
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
          name: 'crash',
          include: ['test/crash/**/*.test.ts'],
          globalSetup: './test/global-setup.ts',
          testTimeout: 600_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
