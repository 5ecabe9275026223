import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import type { CsvDelimiterName } from '../../lib/text/csv.ts'
import type { WrittenItems } from '../../model/data/item.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { filePart, parseChoice, positive } from '../input/inputs.ts'
import { delimiterMeaning, parseDelimiter } from '../input/item-source.ts'
import { parseDataset } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { safe, table } from '../show/output.ts'
import { requireFree, saveResponse } from '../show/save-response.ts'

const formats = parseChoice(['jsonl', 'csv', 'json', 'parquet'])

/** The commands of `jetty datasets` for items. */
export const registerDatasetItems = (datasets: Command): void => {
  datasets
    .command('items <collection/dataset>')
    .description('List the items of a dataset')
    .option('--at <version>', 'version: ~n, a tag or a content hash (default: the newest)')
    .option('--split <name>', 'only items of this split')
    .option('--search <text>', 'only items whose id or data contain this text, in any case')
    .option('-n, --limit <n>', 'maximum number to list', positive, 20)
    .addHelpText(
      'after',
      '\nExamples:\n  jetty datasets items acme/questions\n  jetty datasets items acme/questions --search refund\n  jetty datasets items acme/questions --at gold --json',
    )
    .action(withSession<ListOptions, [string]>(list))
  datasets
    .command('import <collection/dataset> <file>')
    .description('Write the items of a .csv, .jsonl or .json file as one new version')
    .option('--replace', 'remove items that are not in the file')
    .option('--id <column>', 'column that is the id of an item (default: id)')
    .option('--delimiter <mark>', delimiterMeaning, parseDelimiter)
    .addHelpText(
      'after',
      `
An item without an id gets one from its data, so importing a file again changes nothing. A column name:json holds JSON.

Examples:
  jetty datasets import acme/questions questions.csv
  jetty datasets import acme/questions questions.jsonl --replace --id key`,
    )
    .action(withSession<ImportOptions, [string, string]>(importFile))
  datasets
    .command('export <collection/dataset>')
    .description('Write all items to a file that can be imported again')
    .option('--at <version>', 'version: ~n, a tag or a content hash (default: the newest)')
    .option('--split <name>', 'only items of this split')
    .option('-f, --format <format>', 'jsonl, csv, json or parquet (default: jsonl)', formats.once)
    .option('-o, --out <path>', 'output file (default: stdout)', '-')
    .option('--force', 'overwrite an existing file')
    .addHelpText('after', '\nExamples:\n  jetty datasets export acme/questions -f csv -o questions.csv')
    .action(withSession<ExportOptions, [string]>(exportItems))
  datasets
    .command('add <collection/dataset> <run>')
    .description('Make an item of a run: its parameters, and its output or a correction as the expected result')
    .option('--correction <json>', 'the right result, as JSON or plain text')
    .option('--output-path <path>', 'path of the expected result (default: the outputs of the last step)')
    .option('--without-expected', 'take only the parameters')
    .option('--id <id>', 'id of the item (default: one made from the run)')
    .addHelpText(
      'after',
      `
${runMeaning}

Examples:
  jetty datasets add acme/questions acme/answer/1f2e3d4c
  jetty datasets add acme/questions acme/answer/1f2e3d4c --correction 'The right answer'`,
    )
    .action(withSession<AddOptions, [string, string]>(add))
  datasets
    .command('tag <collection/dataset> <tag>')
    .description('Give a version a name; a tag that exists moves')
    .option('--at <version>', 'version: ~n, a tag or a content hash (default: the newest)')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty datasets tag acme/questions gold\n  jetty datasets tag acme/questions gold --at ~3',
    )
    .action(withSession<{ at?: string }, [string, string]>(tag))
}

const versionOf = (at: string | undefined) => (at === undefined ? {} : { version: at })

interface ListOptions {
  at?: string
  split?: string
  search?: string
  limit: number
}

const shownCharacters = 100

const list = async ({ client, out }: Session, [place]: [string], options: ListOptions): Promise<void> => {
  const query = {
    ...versionOf(options.at),
    ...(options.split === undefined ? {} : { split: options.split }),
    ...(options.search === undefined ? {} : { q: options.search }),
    limit: Math.min(options.limit, 1000),
  }
  const params = parseDataset(place)
  const page = await client.listItems({ params, query })
  // A call looks through some of the items; a rare text is searched for in all of them.
  while (options.search !== undefined && page.next_cursor !== null && page.items.length < query.limit) {
    const rest = { ...query, limit: query.limit - page.items.length, cursor: page.next_cursor }
    const more = await client.listItems({ params, query: rest })
    page.items.push(...more.items)
    page.searched = (page.searched ?? 0) + (more.searched ?? 0)
    page.next_cursor = more.next_cursor
  }
  out.answer(page, () =>
    page.items.length === 0
      ? ''
      : table(
          ['ITEM', 'SPLIT', 'DATA'],
          page.items.map(({ id, split, data }) => [id, split ?? '-', JSON.stringify(data).slice(0, shownCharacters)]),
        ),
  )
  const found = options.search === undefined ? '' : ` with '${safe(options.search)}'`
  out.note(`Version ~${page.version}: ${page.items.length} of ${page.total} items${found}`)
}

const writtenText = ({ version, added, changed, removed, unchanged, count }: WrittenItems): string =>
  `Version ~${version} has ${count} items: ${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged`

interface ImportOptions {
  replace?: boolean
  id?: string
  delimiter?: CsvDelimiterName
}

const importFile = async (
  { client, out }: Session,
  [place, path]: [string, string],
  options: ImportOptions,
): Promise<void> => {
  const body = {
    ...(options.replace ? { mode: 'replace' as const } : {}),
    ...(options.id === undefined ? {} : { id_column: options.id }),
    ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
  }
  const files = [await filePart('file', path)]
  const written = await client.importItems({ params: parseDataset(place), body, files })
  out.answer(written, () => writtenText(written))
}

interface ExportOptions {
  at?: string
  split?: string
  format?: string
  out: string
  force?: boolean
}

const exportItems = async (
  { client, out, signal }: Session,
  [place]: [string],
  options: ExportOptions,
): Promise<void> => {
  const target = { path: options.out, isForced: options.force ?? false, signal }
  requireFree(target)
  const query = {
    ...versionOf(options.at),
    ...(options.split === undefined ? {} : { split: options.split }),
    ...(options.format === undefined ? {} : { format: options.format as 'csv' }),
  }
  await saveResponse(await client.exportItems({ params: parseDataset(place), query, signal }), target)
  if (options.out !== '-') out.answer({ path: options.out }, () => options.out)
}

interface AddOptions {
  correction?: string
  outputPath?: string
  withoutExpected?: boolean
  id?: string
}

const add = async (session: Session, [place, run]: [string, string], options: AddOptions): Promise<void> => {
  const { client, out } = session
  const params = parseDataset(place)
  const { collection, task, trajectory_id } = await findRunPlace(session, run)
  if (collection.toLowerCase() !== params.collection.toLowerCase()) {
    throw new AppError('invalid', `The run is in ${collection}, but the dataset is in ${params.collection}`, {
      hint: 'Both must be in one collection.',
    })
  }
  const { correction, outputPath, withoutExpected, id } = options
  const body = {
    ...{ task, trajectory_id },
    ...(correction === undefined ? {} : { correction: parsedJson(correction) ?? correction }),
    ...(outputPath === undefined ? {} : { output_path: outputPath }),
    ...(withoutExpected ? { without_expected: true } : {}),
    ...(id === undefined ? {} : { id }),
  }
  const answer = await client.addItemFromRun({ params, body })
  out.answer(answer, () => `${answer.item.id}\n${writtenText(answer.written)}`)
}

const tag = async (
  { client, out }: Session,
  [place, name]: [string, string],
  { at }: { at?: string },
): Promise<void> => {
  const params = { ...parseDataset(place), tag: name }
  const answer = await client.setDatasetTag({ params, body: versionOf(at) })
  out.answer(answer, () => `${answer.tag} is version ~${answer.version}`)
}
