// `npm run docs`: writes docs/reference and the references of skills from the declarations in src, the tables of
// docs/benchmarks.md from bench/results.json, and the index of docs/decisions. test/house/reference.test.ts fails when it is stale.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtinActivities } from '../src/activities/registry.ts'
import { activityMarkdown } from '../src/api/docs/routes.ts'
import { describeActivity } from '../src/api/step-templates/describe.ts'
import { errorCodes } from '../src/lib/errors.ts'
import { settingList } from '../src/lib/settings/config.ts'
import { runbookFailures } from '../src/model/runbooks/runbook-run.ts'
import { apiPage } from './api-page.ts'
import { benchPage } from './bench-page.ts'
import { cliPage } from './cli-page.ts'
import { decisionsPage } from './decisions-page.ts'
import { code, page, table } from './markdown.ts'
import { providersPage } from './providers-page.ts'
import { skillManifests } from './skill-manifests.ts'
import { skillPages } from './skill-pages.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

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

const activitiesPage = (): string => {
  const all = [...builtinActivities.values()].map(describeActivity)
  const index = [...new Set(all.map(({ category }) => category))].sort().map((category) => {
    const names = all.filter((one) => one.category === category).map(({ activity_name: name }) => `[${name}](#${name})`)
    return `- ${category}: ${names.join(', ')}`
  })
  return page(
    'Activities',
    'What a step can do. `GET /api/v1/step-templates` answers the same as JSON. Each parameter `x` can also be written as ' +
      '`x_path`, whose value is a path expression: see [path expressions](../paths.md).',
    index.join('\n'),
    ...all.map(activityMarkdown),
  )
}

const errorsPage = (): string =>
  page(
    'Errors',
    'Over HTTP an error is `{"detail": …}`: a sentence, or for a 422 a list of `{loc, msg, type}`; often with a `hint`. ' +
      'A step that fails has the sentence as `error` and the code in `error_detail.code`; codes that only occur in steps ' +
      'never become a status of an answer. "Can pass" means that a step is tried again: three tries in all.',
    table(
      ['Code', 'Status', 'Can pass', 'What it means', 'What to do'],
      Object.entries(errorCodes).map(([name, { status, retryable, meaning, remedy }]) => [
        code(name),
        String(status),
        retryable ? 'yes' : '',
        meaning,
        remedy,
      ]),
    ),
    '## Why a runbook fails',
    'A run of a [runbook](../runbooks.md) that did not succeed has one of these as `outputs.failure_reason` of its step. ' +
      'They are looked for in this order, and the first one that holds is named.',
    table(
      ['Reason', 'What it means'],
      Object.entries(runbookFailures).map(([name, meaning]) => [code(name), meaning]),
    ),
  )

/** The pages of the reference by their paths from the root. */
export const referencePages = (): Record<string, string> => ({
  'docs/reference/settings.md': settingsPage(),
  'docs/reference/activities.md': activitiesPage(),
  'docs/reference/errors.md': errorsPage(),
  'docs/reference/providers.md': providersPage(),
  'docs/reference/api.md': apiPage(),
  'docs/reference/cli.md': cliPage(),
  'docs/benchmarks.md': benchPage(root),
  'docs/decisions/README.md': decisionsPage(root),
  ...skillPages(),
  ...skillManifests(),
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(referencePages())) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}
