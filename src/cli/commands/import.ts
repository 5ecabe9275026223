import type { Command } from 'commander'
import pc from 'picocolors'
import { makeCaller } from '../../client/caller.ts'
import { makeClient } from '../../client/client.ts'
import { AppError } from '../../lib/errors.ts'
import { version } from '../../lib/version.ts'
import { allPages } from '../all-pages.ts'
import { readTrimmed } from '../config-files.ts'
import { copyCollection } from '../import/copy-collection.ts'
import type { CopyContext } from '../import/copy-context.ts'
import { type ImportState, openImportLog } from '../import/import-state.ts'
import { fetchFromSource } from '../import/source-fetch.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'

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
