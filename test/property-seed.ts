import fc from 'fast-check'

/**
 * Property tests draw the same cases in every run, so that a change is blamed only for what it broke.
 * `TEST_SEED=random npm test` looks for new ones; a failure prints its seed.
 */
const seed = process.env.TEST_SEED ?? '20261125'
if (seed !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) })
