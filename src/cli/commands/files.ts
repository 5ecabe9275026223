import { posix } from 'node:path'
import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { filePart } from '../input/inputs.ts'
import { type Session, withSession } from '../session.ts'
import { moment, table } from '../show/output.ts'
import { requireFree, saveResponse } from '../show/save-response.ts'

/** `jetty files …`. */
export const registerFiles = (program: Command): void => {
  const files = program.command('files').description('Upload files for runs, and download the files of runs')
  files
    .command('up <collection> <file...>')
    .description('Upload files and print their storage paths, one per line')
    .addHelpText(
      'after',
      `
Pass storage paths in the parameter file_paths of a run. For a single run, jetty run -f uploads and passes them.

Examples:
  jetty files up acme contract.pdf annex.pdf
  jetty run acme/read -p file_paths="$(jetty files up acme contract.pdf --json | jq -c .file_paths)"`,
    )
    .action(withSession<object, [string, string[]]>(upload))
  files
    .command('down <path>')
    .description('Download a file by its storage path')
    .option('-o, --output <file>', 'output file (default: its name, in this folder; - is stdout)')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty files down acme/report/0000/1f2e3d4c.save.0000.report.md\n  jetty files down acme/report/0000/1f2e3d4c.save.0000.report.md -o - | less',
    )
    .action(withSession<DownloadOptions, [string]>(download))
  files
    .command('ls <collection[/task]>')
    .description('List stored files whose path starts with a prefix')
    .addHelpText('after', '\nExamples:\n  jetty files ls acme\n  jetty files ls acme/report')
    .action(withSession<object, [string]>(list))
}

const upload = async ({ client, out }: Session, [collection, paths]: [string, string[]]): Promise<void> => {
  const files = await Promise.all(paths.map((path) => filePart('files', path)))
  const answer = await client.uploadSandboxFiles({ body: { collection }, files })
  out.answer(answer, () => answer.file_paths.join('\n'))
}

interface DownloadOptions {
  output?: string
  force?: boolean
}

const download = async (
  { client, out, signal }: Session,
  [path]: [string],
  options: DownloadOptions,
): Promise<void> => {
  const target = { path: options.output ?? posix.basename(path), isForced: options.force ?? false, signal }
  if (!/^[^/]+(\/[^/]+)+$/.test(path) || ['.', '..'].includes(target.path)) {
    throw new AppError('invalid', `${JSON.stringify(path)} is not a storage path`, {
      hint: 'A storage path begins with a collection, as in acme/report/0000/1f2e3d4c.save.0000.report.md. List them with: jetty files ls acme',
    })
  }
  requireFree(target)
  const answer = await client.downloadFile({ params: { path }, signal }).catch((error) => {
    throw namesRun(path, error) ? noRunFile(path) : error
  })
  await saveResponse(answer, target)
  if (target.path !== '-') out.answer({ path: target.path }, () => target.path)
}

/** Tells whether a missing file has the name of a task or run. */
const namesRun = (path: string, error: unknown): boolean =>
  error instanceof AppError && error.code === 'not_found' && path.split('/').length <= 3

const noRunFile = (path: string): AppError =>
  new AppError('not_found', `There is no file ${JSON.stringify(path)}`, {
    hint: `jetty files ls ${path.split('/')[0]} lists stored files; jetty runs get ${path} lists the files of a run.`,
  })

const mostListed = 10_000

const list = async ({ client, out }: Session, [given]: [string]): Promise<void> => {
  const prefix = given.replace(/\/+$/, '')
  const { files } = await client.listFiles({ query: { prefix, limit: mostListed } })
  out.answer(files, () =>
    files.length === 0
      ? ''
      : table(
          ['PATH', 'SIZE', 'TYPE', 'CREATED'],
          files.map((file) => [file.path, byteSize(file.size), file.content_type, moment(file.created)]),
        ),
  )
  if (files.length === 0) out.note(`No files below ${prefix}.`)
  if (files.length === mostListed)
    out.note(pc.dim(`Only the first ${mostListed} are shown. Give a longer path to see others.`))
}
