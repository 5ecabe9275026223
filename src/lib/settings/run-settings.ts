import { byteCount, folder, reading, seconds, setting, wholeNumber } from './setting.ts'

const label = /^[A-Za-z0-9][A-Za-z0-9._/:=-]{0,62}$/
const mostLabels = 8

const labelList = (value: string): string[] | undefined => {
  const labels = [...new Set(value.split(',').map((one) => one.trim()))]
  return labels.length <= mostLabels && labels.every((one) => label.test(one)) ? labels : undefined
}

/** Labels of the process, activities of your own, and limits of a run's steps and of its child runs. */
export const runSettings = {
  labels: setting({
    variable: 'JETTY_LABELS',
    description:
      'Labels of this process, at most 8, separated by commas. Runs that ask for labels, with runs_on in a step or ' +
      'server_labels of their collection, are executed by processes that have all of them.',
    example: 'gpu,eu',
    schema: reading('be at most 8 labels of letters, digits or . _ / : = -, separated by commas', labelList),
  }),
  activitiesDir: setting({
    variable: 'JETTY_ACTIVITIES_DIR',
    description:
      'Folder of modules that declare activities of your own. They execute in the process of the server, with all that ' +
      'it may do. Every process of an installation needs the same modules.',
    example: '/etc/jetty/activities',
    schema: folder(),
  }),
  parallelSteps: setting({
    variable: 'JETTY_PARALLEL_STEPS',
    description: 'Steps of one run that execute in parallel, if its workflow says so.',
    default: '16',
    example: '4',
    schema: wholeNumber(1, 1_000),
  }),
  stepAttempts: setting({
    variable: 'JETTY_STEP_ATTEMPTS',
    description: 'Largest max_attempts in the options of a step.',
    default: '20',
    example: '5',
    schema: wholeNumber(1, 1_000),
  }),
  loopTurns: setting({
    variable: 'JETTY_LOOP_TURNS',
    description: 'Iterations of one loop in a run.',
    default: '1000',
    example: '100',
    schema: wholeNumber(1, 100_000),
  }),
  runSearchMs: setting({
    variable: 'JETTY_RUN_SEARCH_MS',
    description:
      'Milliseconds that one request for a list of runs goes on to look for runs that fit its filters, where no index ' +
      'decides them. Each request examines at least one part of the runs, and says how far it looked.',
    default: '500',
    example: '2000',
    schema: wholeNumber(0, 60_000),
  }),
  sequenceNumbers: setting({
    variable: 'JETTY_SEQUENCE_NUMBERS',
    description: 'Numbers that one number_sequence_generator may return.',
    default: '100000',
    example: '10000',
    schema: wholeNumber(1, 10_000_000),
  }),
  transformSeconds: setting({
    variable: 'JETTY_TRANSFORM_SECONDS',
    description: 'Longest time of one transform, parse or render.',
    default: '10',
    example: '30',
    schema: seconds(1),
  }),
  transformMemoryBytes: setting({
    variable: 'JETTY_TRANSFORM_MEMORY_BYTES',
    description: 'Memory of a process that transforms, parses or renders; it is ended above that. Two work at once.',
    default: '512MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  transformInputBytes: setting({
    variable: 'JETTY_TRANSFORM_INPUT_BYTES',
    description: 'Largest input of one transform, parse or render, and largest list that is reshaped.',
    default: '32MiB',
    example: '64MiB',
    schema: byteCount(),
  }),
  checkSeconds: setting({
    variable: 'JETTY_CHECK_SECONDS',
    description:
      'Time for reading the expressions of a definition when it is checked, waiting for a process included. Steps ' +
      'whose expressions were not read by then are named in warnings.',
    default: '5',
    example: '10',
    schema: seconds(1),
  }),
  sqlSeconds: setting({
    variable: 'JETTY_SQL_SECONDS',
    description: 'Largest query_timeout_sec of a sql step.',
    default: '600',
    example: '3600',
    schema: seconds(1),
  }),
  sqlRows: setting({
    variable: 'JETTY_SQL_ROWS',
    description: 'Largest max_rows of a sql step.',
    default: '1000000',
    example: '100000',
    schema: wholeNumber(1, 100_000_000),
  }),
  sqlBytes: setting({
    variable: 'JETTY_SQL_BYTES',
    description: 'Largest max_bytes of a sql step.',
    default: '256MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  maxFanOut: setting({
    variable: 'JETTY_MAX_FANOUT',
    description: 'Maximum number of runs that a step, a batch or an evaluation may start.',
    default: '10000',
    example: '100000',
    schema: wholeNumber(1, 1_000_000),
  }),
  maxDatasetItems: setting({
    variable: 'JETTY_MAX_DATASET_ITEMS',
    description: 'Maximum number of items of one dataset.',
    default: '100000',
    example: '1000000',
    schema: wholeNumber(1, 10_000_000),
  }),
  maxRunDepth: setting({
    variable: 'JETTY_MAX_RUN_DEPTH',
    description: 'Levels of child runs below a run.',
    default: '5',
    example: '2',
    schema: wholeNumber(0, 100),
  }),
  maxRunRecursion: setting({
    variable: 'JETTY_MAX_RUN_RECURSION',
    description:
      'How often a task may occur among the ancestors of its own run. 1: a task may start itself, and the child may ' +
      'not.',
    default: '2',
    example: '1',
    schema: wholeNumber(0, 100),
  }),
  maxOpenBelow: setting({
    variable: 'JETTY_MAX_OPEN_RUNS_BELOW',
    description: 'Open runs below one root run, at all levels. Steps wait for room; a step that cannot wait fails.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(1, 10_000_000),
  }),
  maxOpenStarted: setting({
    variable: 'JETTY_MAX_OPEN_RUNS_STARTED',
    description: 'Open child runs of one collection. Steps wait for room; a step that cannot wait fails.',
    default: '100000',
    example: '10000',
    schema: wholeNumber(1, 10_000_000),
  }),
}
