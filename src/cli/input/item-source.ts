import { extname } from 'node:path'
import { InvalidArgumentError } from 'commander'
import type { FilePart } from '../../client/client.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject, parsedJson } from '../../lib/json/json-object.ts'
import { type CsvDelimiterName, csvDelimiters } from '../../lib/text/csv.ts'
import type { Session } from '../session.ts'
import { filePart, readInputText, readJson } from './inputs.ts'

/** Help text of commands that take items. */
export const itemsMeaning = `Items: a .csv file with a header (a column name:json holds JSON), a .jsonl file with one JSON object per line, a .json
file with a list of objects, or - for any of these from stdin. The members of an item are the parameters of its run.
dataset:name, dataset:name@version or dataset:collection/name runs over the items of a dataset.`

/** Items as batches and evaluations take them. */
type ItemSource = { items: Record<string, unknown>[] } | { file_path: string } | { dataset: string }

const datasetPrefix = 'dataset:'

/** Reads the value of `--delimiter`: the character, or its name. */
export const parseDelimiter = (text: string): CsvDelimiterName => {
  const found = Object.entries(csvDelimiters).find(
    ([name, mark]) => text === name || text === mark || (text === '\\t' && mark === '\t'),
  )
  if (found) return found[0] as CsvDelimiterName
  throw new InvalidArgumentError('expected comma, semicolon, tab or pipe, or the character itself')
}

/** Help text of `--delimiter`. */
export const delimiterMeaning = 'of a .csv file: comma, semicolon, tab or pipe (default: found in its first rows)'

/** Options of commands that run over a dataset, or over a CSV file. */
export interface DatasetOptions {
  split?: string
  changedOnly?: boolean
  delimiter?: CsvDelimiterName
}

/** The members of a request for these options. */
export const datasetFields = ({ split, changedOnly, delimiter }: DatasetOptions) => ({
  ...(delimiter === undefined ? {} : { delimiter }),
  ...(split === undefined ? {} : { split }),
  ...(changedOnly ? { changed_only: true } : {}),
})

const listed = (path: string, value: unknown): ItemSource => {
  if (Array.isArray(value) && value.every(isObject)) return { items: value }
  throw new AppError('invalid', `${path}: expected a list of objects, such as [{"text": "hello"}]`, {
    hint: 'For one object per line, use a file that ends in .jsonl.',
  })
}

const uploaded = async ({ client }: Session, collection: string, file: FilePart): Promise<ItemSource> => {
  const { file_path } = await client.uploadFile({ body: { collection }, files: [file] })
  return { file_path }
}

/**
 * Prepares items. A JSON list is parsed here; CSV and JSON lines are uploaded unchanged, so that only the server parses
 * them. `-` is stdin, whose format its first character shows.
 */
export const readItemSource = async (session: Session, collection: string, path: string): Promise<ItemSource> => {
  if (path.startsWith(datasetPrefix)) return { dataset: path.slice(datasetPrefix.length) }
  if (path !== '-') {
    return extname(path).toLowerCase() === '.json'
      ? listed(path, readJson(path))
      : uploaded(session, collection, await filePart('file', path))
  }
  const text = readInputText('-').replace(/^\ufeff/, '')
  const [first] = text.trimStart()
  if (first === '[') return listed('stdin', parsedJson(text))
  const name = first === '{' ? 'items.jsonl' : 'items.csv'
  return uploaded(session, collection, { field: 'file', name, content: new Blob([text]) })
}
