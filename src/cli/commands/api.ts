import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import pc from 'picocolors'
import type { AnyInput, FilePart } from '../../client/client.ts'
import { follow } from '../../client/follow.ts'
import type { Operation, Operations } from '../../client/operations.ts'
import { AppError } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { filePart, parseAssignment, readJson } from '../input/inputs.ts'
import { type Session, withSession } from '../session.ts'
import { fields, table } from '../show/output.ts'

interface ApiOptions {
  body?: string
  output?: string
  describe?: boolean
}

/** `jetty api`. */
export const registerApi = (program: Command): void => {
  program
    .command('api [operation] [name=value...]')
    .description('Call any API operation by its name; without a name, list the operations')
    .option('--body <file>', 'JSON file with the whole request body; - is stdin')
    .option('-o, --output <path>', 'output file for an answer in bytes (default: stdout)')
    .option('--describe', 'print the parameters of the operation, and exit')
    .addHelpText(
      'after',
      `
Each name=value is sent as the path, query, body or file parameter of that name (files=@path sends a file).
A body value that is valid JSON is sent as JSON; @file reads it from a file. The answer is printed unchanged.

Examples:
  jetty api
  jetty api createKey --describe
  jetty api listTasks collection=demo limit=5
  jetty api addLabel collection=demo task=hello trajectory_id=1f2e3d4c key=quality value=high author=me
  jetty api createTask collection=demo --body task.json
  jetty api watchCollection collection=demo`,
    )
    .action(
      withSession<ApiOptions, [string | undefined, string[]]>(async (session, [name, given], options) => {
        if (name === undefined) return list(session)
        const operation = getOperation(session.operations, name)
        if (options.describe) return describe(session, name, operation)
        await call(session, name, operation, await inputOf(operation, given, options.body), options.output)
      }),
    )
}

const list = ({ operations, out }: Session): void => {
  const rows = Object.entries(operations).map(([name, { method, path, summary }]) => [name, method, path, summary])
  out.answer(operations, () => table(['OPERATION', 'METHOD', 'PATH', 'WHAT IT DOES'], rows))
}

const getOperation = (operations: Operations, name: string): Operation => {
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined
  if (operation) return operation
  const meant = nearest(name, Object.keys(operations))
  throw new AppError('invalid', `The API has no operation ${JSON.stringify(name)}`, {
    hint: `${meant ? `Did you mean ${meant}? ` : ''}\`jetty api\` lists all of them.`,
  })
}

const describe = ({ out }: Session, name: string, operation: Operation): void => {
  out.answer(operation, () =>
    fields([
      [name, operation.summary],
      ['call', `${operation.method} ${operation.path}`],
      ['access', operation.access],
      ['in the path', operation.params.join(', ') || 'nothing'],
      ['in the query', operation.query.join(', ') || 'nothing'],
      ['in the body', bodyText(operation)],
      ['answer', operation.answer],
    ]),
  )
}

const bodyText = ({ body, fields: names, files }: Operation): string => {
  if (body === 'none') return 'nothing'
  return [names.join(', ') || 'any JSON (--body)', ...files.map((name) => `${name}=@path`)].join(', ')
}

/** Assigns each value to the path, query or body member of that name. */
const inputOf = async (operation: Operation, given: string[], bodyPath: string | undefined): Promise<AnyInput> => {
  const params: Record<string, string> = {}
  const query: Record<string, string[]> = {}
  const files: FilePart[] = []
  const own: Record<string, unknown> = {}
  for (const text of given) {
    const [, name = '', value = ''] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? []
    if (operation.params.includes(name)) params[name] = value
    else if (operation.query.includes(name)) query[name] = [...(query[name] ?? []), value]
    else if (operation.files.includes(name)) files.push(await filePart(name, value.replace(/^@/, '')))
    else if (operation.texts.includes(name) && !value.startsWith('@')) own[name] = value
    else if (takes(operation, name)) own[name] = parseAssignment(text).value
    else throw unknownName(operation, name || text)
  }
  const missing = operation.params.find((name) => !params[name])
  if (missing) {
    throw new AppError('invalid', `The parameter ${missing} is missing; it is part of the path ${operation.path}`, {
      hint: `Add ${missing}=…`,
    })
  }
  const body = bodyPath === undefined ? own : { ...(readJson(bodyPath) as object), ...own }
  return { params, query, files, body }
}

const takes = ({ body, fields: names }: Operation, name: string): boolean =>
  name !== '' && body !== 'none' && (names.length === 0 || names.includes(name))

const unknownName = (operation: Operation, name: string): AppError => {
  const known = [...operation.params, ...operation.query, ...operation.fields, ...operation.files]
  const meant = nearest(name, known)
  return new AppError('invalid', `The operation has no parameter ${JSON.stringify(name)}`, {
    hint: meant ? `Did you mean ${meant}?` : `Its parameters: ${known.join(', ') || 'none'}`,
  })
}

const call = async (session: Session, name: string, operation: Operation, input: AnyInput, output?: string) => {
  const { signal } = session
  if (operation.answer === 'events') return printEvents(session, name, input)
  const answer = await session.call(name, { ...input, signal })
  if (operation.answer === 'json') {
    process.stdout.write(`${JSON.stringify(answer, null, process.stdout.isTTY ? 2 : 0)}\n`)
  } else if (answer instanceof Response && answer.body) {
    const isFile = output !== undefined && output !== '-'
    const into = isFile ? createWriteStream(output) : process.stdout
    await pipeline(Readable.fromWeb(answer.body as never), into, { end: isFile, signal })
    if (isFile) session.out.note(pc.dim(output))
  }
}

/** Prints one JSON line for each event, reconnecting after a break, until the stream or the user ends it. */
const printEvents = async (session: Session, name: string, input: AnyInput): Promise<void> => {
  const open = async (headers: Record<string, string>, signal: AbortSignal) =>
    (await session.call(name, { ...input, headers, signal })) as Response
  for await (const event of follow(open, { signal: session.signal })) {
    process.stdout.write(`${JSON.stringify(event)}\n`)
  }
}
