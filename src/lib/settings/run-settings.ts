import { setting, wholeNumber } from './setting.ts'

/** Limits of a run's steps and of its child runs. */
export const runSettings = {
  parallelSteps: setting({
    variable: 'JETTY_PARALLEL_STEPS',
    description: 'Steps of one run that are carried out side by side, where its workflow says so.',
    default: '16',
    example: '4',
    schema: wholeNumber(1, 1_000),
  }),
  stepAttempts: setting({
    variable: 'JETTY_STEP_ATTEMPTS',
    description: 'Largest max_attempts that the options of a step may ask for.',
    default: '20',
    example: '5',
    schema: wholeNumber(1, 1_000),
  }),
  loopTurns: setting({
    variable: 'JETTY_LOOP_TURNS',
    description: 'Turns that one loop of a run may have.',
    default: '1000',
    example: '100',
    schema: wholeNumber(1, 100_000),
  }),
  sequenceNumbers: setting({
    variable: 'JETTY_SEQUENCE_NUMBERS',
    description: 'Numbers that number_sequence_generator may put out at once.',
    default: '100000',
    example: '10000',
    schema: wholeNumber(1, 10_000_000),
  }),
  maxFanOut: setting({
    variable: 'JETTY_MAX_FANOUT',
    description: 'Runs that one step, one batch or one evaluation may start.',
    default: '10000',
    example: '100000',
    schema: wholeNumber(1, 1_000_000),
  }),
  maxRunDepth: setting({
    variable: 'JETTY_MAX_RUN_DEPTH',
    description: 'How many levels deep runs may start runs.',
    default: '5',
    example: '2',
    schema: wholeNumber(0, 100),
  }),
  maxRunRecursion: setting({
    variable: 'JETTY_MAX_RUN_RECURSION',
    description:
      'How often a task may stand among the runs above a run of it. With 1 a task may start itself, and what it started may not.',
    default: '2',
    example: '1',
    schema: wholeNumber(0, 100),
  }),
  maxOpenBelow: setting({
    variable: 'JETTY_MAX_OPEN_RUNS_BELOW',
    description:
      'Open runs below one run that a request or a routine started, at all levels. Steps wait for room; one that has ' +
      'nothing to wait for fails.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(1, 10_000_000),
  }),
  maxOpenStarted: setting({
    variable: 'JETTY_MAX_OPEN_RUNS_STARTED',
    description: 'Open runs of one collection that other runs have started, as JETTY_MAX_OPEN_RUNS_BELOW.',
    default: '100000',
    example: '10000',
    schema: wholeNumber(1, 10_000_000),
  }),
}
