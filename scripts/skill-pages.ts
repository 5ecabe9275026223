// The references of skills/, from the same declarations as the server and its documentation.
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { builtinActivities } from '../src/activities/registry.ts'
import { contract } from '../src/api/contract.ts'
import { describeActivity } from '../src/api/step-templates/describe.ts'
import { buildProgram } from '../src/cli/program.ts'
import type { Endpoint } from '../src/http/endpoint.ts'
import { errorCodes } from '../src/lib/errors.ts'
import { readsOnly, toolsFor } from '../src/mcp/mcp-server.ts'
import { runbookFailures } from '../src/model/runbooks/runbook-run.ts'
import type { StepTemplate } from '../src/model/workflows/step-template.ts'
import { code, note, page, table } from './markdown.ts'

const operationsPage = (): string => {
  const endpoints = Object.entries(contract) as [string, Endpoint][]
  const part = (tag: string) =>
    `## ${tag}\n\n${table(
      ['Operation', 'Call', 'Needs', 'What it does'],
      endpoints
        .filter(([, one]) => one.tag === tag)
        .map(([name, { method, path, access, summary }]) => [code(name), code(`${method} ${path}`), access, summary]),
    )}`
  return page(
    'Operations of the API',
    '`jetty api <operation> name=value` calls any of them; `jetty api <operation> --describe` shows its parameters. The ' +
      'server describes itself at `/openapi.json`, and for people at `/docs`. `read` and `write` are the access level of ' +
      'the key; `admin` needs the admin token.',
    ...[...new Set(endpoints.map(([, { tag }]) => tag))].map(part),
  )
}

/** Rows of a command and of those below it. */
const commandRows = (command: Command, path: readonly string[]): string[][] => {
  const words = [...path, command.name()]
  if (command.commands.length > 0) return command.commands.flatMap((one) => commandRows(one, words))
  const given = command.registeredArguments.map((one) => {
    const name = one.variadic ? `${one.name()}...` : one.name()
    return one.required ? `<${name}>` : `[${name}]`
  })
  return [[code([...words, ...given].join(' ')), command.description()]]
}

const commandsPage = (): string =>
  page(
    'Commands',
    '`jetty help <command>` shows options and examples. `--json` prints JSON, `--url` names a server, `--token-file` a token.',
    table(['Command', 'What it does'], commandRows(buildProgram(), [])),
  )

const activityText = ({ activity_name, description, parameters, outputs, example, gotchas }: StepTemplate): string => {
  const typed = ({ name, type, required }: StepTemplate['parameters'][number]) =>
    `${code(name)} ${type}${required ? ' (required)' : ''}`
  return [
    `## ${activity_name}`,
    description,
    `Parameters: ${parameters.map(typed).join(', ') || 'none'}.`,
    `Outputs: ${outputs.map(({ path, type }) => `${code(path)} ${type}`).join(', ') || 'none'}.`,
    `\`\`\`json\n${JSON.stringify(example)}\n\`\`\``,
    ...(gotchas.length > 0 ? [gotchas.map((one) => `- ${one}`).join('\n')] : []),
  ].join('\n\n')
}

const activitiesPage = (): string =>
  page(
    'Activities',
    'What a step can do. Each parameter `x` can also be written as `x_path`, whose value is a path expression. `jetty ' +
      'templates show <activity>` describes every parameter.',
    ...[...builtinActivities.values()].map((one) => activityText(describeActivity(one))),
  )

const failureTable = table(
  ['Reason', 'What it means'],
  Object.entries(runbookFailures).map(([name, meaning]) => [code(name), meaning]),
)

const errorsPage = (): string =>
  page(
    'Errors',
    'The code is in `error_detail.code` of a failed step, and in `error.code` of a command under `--json`.',
    table(
      ['Code', 'Status', 'What it means', 'What to do'],
      Object.entries(errorCodes).map(([name, { status, meaning, remedy }]) => [
        code(name),
        String(status),
        meaning,
        remedy,
      ]),
    ),
    '## Why a runbook fails',
    'One of these is `outputs.failure_reason` of its step: the first that holds.',
    failureTable,
  )

const failuresPage = (): string =>
  page(
    'Why a runbook fails',
    'One of these is `outputs.failure_reason` of its step: the first that holds.',
    failureTable,
  )

const toolsPage = (): string =>
  page(
    'MCP tools',
    'Tools of `jetty mcp` and of the address `/mcp` of a server. A key with READ access has those that only read.',
    table(
      ['Tool', 'Reads only', 'What it does'],
      toolsFor(undefined, '.').map((tool) => [code(tool.name), readsOnly(tool) ? 'yes' : '', tool.description]),
    ),
  )

/** A guide of docs/ for whoever has the skill alone: its links lead nowhere there, so their texts remain. */
const guide = (name: string): string => {
  const [title = '', ...rest] = readFileSync(new URL(`../docs/${name}.md`, import.meta.url), 'utf8').split('\n')
  return [title, '', note, ...rest].join('\n').replace(/\[([^\]]+)\]\((?![a-z]+:)[^)]+\)/g, '$1')
}

/** The references of the skills by their paths from the root. */
export const skillPages = (): Record<string, string> => ({
  'skills/jetty/references/operations.md': operationsPage(),
  'skills/jetty/references/commands.md': commandsPage(),
  'skills/jetty/references/activities.md': activitiesPage(),
  'skills/jetty/references/errors.md': errorsPage(),
  'skills/jetty/references/mcp-tools.md': toolsPage(),
  'skills/jetty/references/paths.md': guide('paths'),
  'skills/jetty/references/control-flow.md': guide('control-flow'),
  'skills/create-runbook/references/format.md': guide('runbook-format'),
  'skills/create-runbook/references/rules.md': guide('runbook-rules'),
  'skills/create-runbook/references/verification.md': guide('runbook-verification'),
  'skills/create-runbook/references/failures.md': failuresPage(),
  'skills/optimize-runbook/references/failures.md': failuresPage(),
})
