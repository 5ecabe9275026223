import type { Command } from 'commander'
import pc from 'picocolors'
import { makeCaller } from '../../client/caller.ts'
import { makeClient } from '../../client/client.ts'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { version } from '../../lib/version.ts'
import { allPages } from '../all-pages.ts'
import { readTrimmed } from '../config-files.ts'
import { copyCollection } from '../import/copy-collection.ts'
import type { CopyContext } from '../import/copy-context.ts'
import { type ImportState, openImportLog } from '../import/import-state.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'

/** Most bytes of an answer of the source, which is held in memory. */
const mostBytes = 1024 ** 3
const mostRedirects = 5

const bounded = (response: Response): Response => {
  if (!response.body) return response
  let size = 0
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      size += chunk.byteLength
      if (size > mostBytes) throw new AppError('too_large', `The source answered with more than ${byteSize(mostBytes)}`)
      controller.enqueue(chunk)
    },
  })
  return new Response(response.body.pipeThrough(counted), response)
}

/** Gets what the source keeps elsewhere, such as in a bucket: without its token, and from public addresses only. */
const fetchElsewhere = async (url: URL, signal: AbortSignal | null | undefined): Promise<Response> => {
  const { makeFetcher } = await import('../../lib/net/net.ts')
  const answer = await makeFetcher({ allowPrivateNetwork: [], maxBytes: mostBytes, timeoutSeconds: 3600 })(url.href, {
    ...(signal && { signal }),
  })
  return new Response(Buffer.from(await answer.bytes()), { status: answer.status, headers: answer.headers })
}

const locationOf = (response: Response, from: URL): URL | undefined => {
  const location = response.headers.get('location')
  if (response.status < 300 || response.status >= 400 || location === null) return undefined
  return URL.canParse(location, from.href) ? new URL(location, from) : undefined
}

/**
 * Sends a request to the source of an import. It bounds the answer, and a redirect to another server never leads to a
 * private address: the source would otherwise decide which files of this network are copied.
 */
const fetchFromSource: typeof fetch = async (target, request) => {
  let url = new URL(String(target))
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await fetch(url, { ...request, redirect: 'manual' })
    const next = locationOf(response, url)
    if (!next) return bounded(response)
    await response.body?.cancel()
    if (next.hostname === url.hostname && next.protocol === 'https:' && url.protocol === 'http:') {
      throw new AppError('invalid', `The source answers at ${next.origin} only`, { hint: 'Name that with --from.' })
    }
    if (next.origin !== url.origin) return fetchElsewhere(next, request?.signal)
    url = next
  }
  throw new AppError('upstream_failed', `${url.origin} redirected more than ${mostRedirects} times`)
}

interface ImportOptions {
  from: string
  fromTokenFile?: string
  report: string
  runs?: string
  files: boolean
  overwrite?: boolean
}

/** `jetty import`. */
export const registerImport = (program: Command): void => {
  program
    .command('import [collection...]')
    .description('Copy collections, tasks, datasets, routines, runs and files from a hosted account or another server')
    .requiredOption('--from <url>', 'server to copy from')
    .option('--from-token-file <path>', 'file with a token of that server (default: JETTY_IMPORT_TOKEN)')
    .option(
      '--report <file>',
      'what was copied and what was not; a later import continues from it',
      'jetty-import.json',
    )
    .option('--runs <number>', 'copy at most so many runs of each task, the newest first; 0 copies none')
    .option('--no-files', 'leave files out')
    .option('--overwrite', 'replace tasks and items of datasets that differ here')
    .addHelpText(
      'after',
      `
Runs are copied as ingested runs with the same ids; they cannot be rerun. Values of variables are never copied: the
report lists their names. Routines are created paused. Without collections, all that the token covers are copied.

Examples:
  jetty import --from https://flows-api.jetty.io --from-token-file hosted.txt
  jetty import acme --from http://old.example.com:7070 --from-token-file old.txt --runs 100`,
    )
    .action(withSession<ImportOptions, [string[]]>(importAll))
}

const sourceToken = ({ fromTokenFile: file }: ImportOptions): string => {
  const token = file === undefined ? process.env.JETTY_IMPORT_TOKEN?.trim() : readTrimmed(file)
  if (token) return token
  throw new AppError('invalid', file === undefined ? 'No token for the source' : `${file} contains no token`, {
    hint: 'Name a file that contains only the token with --from-token-file.',
  })
}

const sourceUrl = (from: string): string => {
  const url = URL.canParse(from) ? new URL(from) : undefined
  const hint = 'Write it like https://jetty.example.com.'
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new AppError('invalid', `--from must be the address of a server, got ${JSON.stringify(from)}`, { hint })
  }
  // The report and every copied run name the source.
  if (url.username || url.password || url.search || url.hash) {
    throw new AppError('invalid', '--from must be an address without a password, a query or a fragment', { hint })
  }
  return from.replace(/\/+$/, '')
}

const mostRunsOf = (given: string | undefined): number => {
  if (given === undefined) return Number.POSITIVE_INFINITY
  if (/^\d{1,9}$/.test(given)) return Number(given)
  throw new AppError('invalid', `--runs must be a whole number, got ${JSON.stringify(given)}`)
}

const importAll = async (session: Session, [named]: [string[]], options: ImportOptions): Promise<void> => {
  const { operations, client: target, signal, out, url } = session
  const from = sourceUrl(options.from)
  if (from === url) {
    throw new AppError('invalid', `--from names the server that the import goes to: ${url}`, {
      hint: 'Name the other server with --url, or with JETTY_API_URL.',
    })
  }
  const mostRuns = mostRunsOf(options.runs)
  const connection = {
    url: from,
    token: sourceToken(options),
    agent: `jetty-import/${version}`,
    retries: 'all' as const,
    fetch: fetchFromSource,
  }
  const fetchSource = makeCaller(operations, connection)
  const source = makeClient(operations, fetchSource)
  const log = openImportLog(options.report, from, url)
  let shown = ''
  const line = out.isJson ? undefined : makeProgressLine(() => safe(shown), 60)
  const context: CopyContext = {
    ...{ source, target, fetchSource, log, signal },
    ...{ overwrites: options.overwrite ?? false, copiesFiles: options.files },
    show: (text) => {
      shown = text
    },
  }
  try {
    const all = async () => (await allPages(100, (query) => source.listCollections({ query }))).map(({ name }) => name)
    for (const collection of named.length > 0 ? named : await all())
      await copyCollection(context, collection, { mostRuns })
    log.state.finished = new Date().toISOString()
  } finally {
    line?.stop()
    log.close()
  }
  out.answer(log.state, () => reportText(log.state, options.report))
}

/** What people read at the end; the file has everything. */
const reportText = (
  { counts, variables_to_set: variables, problems, problems_total: total }: ImportState,
  path: string,
): string =>
  [
    ...Object.entries(counts).map(([what, count]) => `${String(count).padStart(8)} ${what}`),
    ...Object.entries(variables).map(
      ([collection, names]) =>
        `Set the values of ${safe(names.join(', '))}: ${pc.bold(`jetty env set ${safe(collection)} <NAME>`)}`,
    ),
    ...(total === 0 ? [] : [pc.yellow(`${total} not copied:`)]),
    ...problems.slice(0, 20).map(({ at, problem }) => `  ${safe(at)}: ${safe(problem)}`),
    pc.dim(`The report is in ${path}`),
  ].join('\n')
