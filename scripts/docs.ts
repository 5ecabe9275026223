// `npm run docs`: writes docs/reference from the declarations in src. test/house/reference.test.ts fails when it is stale.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtinActivities } from '../src/activities/registry.ts'
import { describeActivity } from '../src/api/step-templates/describe.ts'
import { settingList } from '../src/lib/config.ts'
import { type ErrorCode, errorCodes } from '../src/lib/errors.ts'
import type { StepTemplate } from '../src/model/step-template.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const note = '<!-- Written by `npm run docs` from src; changes here are lost. -->'
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const code = (text: string): string => `\`${text}\``
const json = (value: unknown): string => code(JSON.stringify(value))

const table = (heads: string[], rows: string[][]): string =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n')

const page = (title: string, ...parts: string[]): string => `${[`# ${title}`, note, ...parts].join('\n\n')}\n`

const settingsPage = (): string =>
  page(
    'Settings',
    'Every setting is an environment variable, and none is required. An empty one counts as not set. A value that cannot ' +
      'be used stops the start with a sentence that names the variable and shows how to write it. Sizes take a unit ' +
      '(`KiB`, `MiB`, `GiB`, always powers of 1024); switches take `true`, `1`, `yes`, `on` and their opposites.',
    table(
      ['Variable', 'Default', 'What it is', 'Example'],
      settingList.map((setting) => [
        code(setting.variable),
        setting.default ? code(setting.default) : 'none',
        setting.description,
        code(setting.example),
      ]),
    ),
  )

const parameterRows = ({ parameters }: StepTemplate): string[][] =>
  parameters.map(({ name, type, required, default: preset, description, aliases }) => [
    code(name),
    type,
    required ? 'required' : preset === null ? 'optional' : json(preset),
    `${description}${aliases.length > 0 ? ` Old names: ${aliases.map(code).join(', ')}.` : ''}`,
  ])

const activityPart = (activity: StepTemplate): string =>
  [
    `## ${activity.activity_name}`,
    activity.description,
    table(['Parameter', 'Type', 'Default', 'What it is'], parameterRows(activity)),
    table(
      ['Output', 'Type', 'What it is'],
      activity.outputs.map(({ path, type, description }) => [code(path), type, description]),
    ),
    `\`\`\`json\n${JSON.stringify(activity.example, null, 2)}\n\`\`\``,
    ...(activity.gotchas.length > 0 ? [activity.gotchas.map((gotcha) => `- ${gotcha}`).join('\n')] : []),
  ].join('\n\n')

const activitiesPage = (): string => {
  const all = [...builtinActivities.values()].map(describeActivity)
  const index = [...new Set(all.map(({ category }) => category))].sort().map((category) => {
    const names = all.filter((one) => one.category === category).map(({ activity_name: name }) => `[${name}](#${name})`)
    return `- ${category}: ${names.join(', ')}`
  })
  return page(
    'Activities',
    'What a step can do. `GET /api/v1/step-templates` answers the same as JSON. Each parameter `x` can also be written as ' +
      '`x_path`, whose value is a path expression: see [workflows](../workflows.md).',
    index.join('\n'),
    ...all.map(activityPart),
  )
}

/** What each code means and what to do about it, for the reader of an error. */
const meanings: Record<ErrorCode, [meaning: string, fix: string]> = {
  unauthenticated: [
    'No token came, or one that is not valid.',
    'Send `Authorization: Bearer <token>` with a valid key.',
  ],
  forbidden: ['The token does not reach that far.', 'Use a key that covers the collection, or one that may write.'],
  not_found: ['There is no such thing, or its file is not in this collection.', 'Check the names in the path.'],
  method_not_allowed: ['The path exists, but not for this method.', 'The header `Allow` lists the methods.'],
  bad_request: ['The request cannot be carried out as it is.', 'The sentence says what is wrong with it.'],
  already_exists: ['The name is taken.', 'Choose another one, or change what has it.'],
  conflict: ['Something else is in the way of a start, such as another server.', 'The sentence says what.'],
  invalid: ['Body, query, form or setting is not valid.', 'Each entry of `detail` names a place and what is wrong.'],
  too_large: ['Larger than a limit allows.', 'Send less, or raise the setting that the message names.'],
  rate_limited: ['Kept for later: nothing sends it.', 'Wait for the seconds of `Retry-After`.'],
  busy: ['More work arrives than can be written down.', 'Wait for the seconds of `Retry-After`.'],
  database_unavailable: ['Postgres does not answer right now; nothing was lost.', 'Try again in a moment.'],
  storage_full: ['The disk that holds the files is full.', 'Free some space, then send the file again.'],
  still_running: [
    '`run-sync` waited as long as it may; the run goes on.',
    'Poll the trajectory. Do not send it again.',
  ],
  not_implemented: ['Kept for later: nothing sends it.', 'Leave out what is not there.'],
  internal: ['A bug of the server.', "Look into the server's log, and report it."],
  workflow_invalid: ['Kept for later: such a run fails before its first step.', 'Read the `error` of the run.'],
  reference_missing: [
    'A path leads to nothing.',
    'The sentence names the first segment that failed and what is there.',
  ],
  parameter_invalid: ['A parameter is missing or of the wrong kind.', 'The sentence names it.'],
  activity_failed: ['The activity itself failed.', 'Its own sentence is kept.'],
  output_too_large: ['The outputs are larger than is kept.', 'Save large results as files and pass their paths on.'],
  timed_out: ['The time of the step or the run was over.', 'Raise `timeout_sec`, or split the work.'],
  cancelled: ['Somebody asked the run to end, or the step was interrupted.', 'Start a new run.'],
  process_died: ['The process died ten times at this step.', 'Look into the log for what the step does to it.'],
  address_refused: [
    'The address is private, local or reserved, or the URL is of a kind that is never called.',
    'If it may be called, list it in `JETTY_ALLOW_PRIVATE_NETWORK`.',
  ],
  network_failed: ['Nothing answered, or the connection broke.', 'Check the host; it is tried again by itself.'],
  upstream_failed: ['Another service answered with a failure.', 'The sentence has its status and its words.'],
}

const errorsPage = (): string =>
  page(
    'Errors',
    'Over HTTP an error is `{"detail": …}`: a sentence, or for a 422 a list of `{loc, msg, type}`; often with a `hint`. ' +
      'A step that fails has the sentence as `error` and the code in `error_detail.code`; codes that only occur in steps ' +
      'never become a status of an answer. "Can pass" means that a step is tried again: three tries in all.',
    table(
      ['Code', 'Status', 'Can pass', 'What it means', 'What to do'],
      Object.entries(errorCodes).map(([name, { status, retryable }]) => [
        code(name),
        String(status),
        retryable ? 'yes' : '',
        ...meanings[name as ErrorCode],
      ]),
    ),
  )

/** The pages of the reference by their paths from the root. */
export const referencePages = (): Record<string, string> => ({
  'docs/reference/settings.md': settingsPage(),
  'docs/reference/activities.md': activitiesPage(),
  'docs/reference/errors.md': errorsPage(),
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(referencePages())) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}
