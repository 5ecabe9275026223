import { parse as parseCsv } from 'csv-parse/sync'
import { parseAllDocuments } from 'yaml'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { findCsvDelimiter } from '../../lib/text/csv-delimiter.ts'
import { readHtml, readXml } from './read-markup.ts'
import type { ShapeWork } from './shape.ts'

const mostCellCharacters = 1024 * 1024
const mostAliases = 100
const sampleCharacters = 32 * 1024

const readJson = (text: string): unknown => {
  if (isDeeperThan(text, maxJsonDepth)) throw new Error(`the JSON is nested deeper than ${maxJsonDepth} levels`)
  return JSON.parse(text)
}

const readJsonLines = (text: string): unknown[] =>
  text.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return []
    try {
      return [readJson(line)]
    } catch (error) {
      throw new Error(`line ${at + 1}: ${(error as Error).message}`)
    }
  })

const readCsv = (text: string, { format, delimiter, header }: Extract<ShapeWork, { kind: 'parse' }>): unknown => {
  try {
    return parseCsv(text, {
      bom: true,
      columns: header,
      delimiter:
        delimiter ??
        (format === 'tsv' ? '\t' : findCsvDelimiter(text.slice(0, sampleCharacters), text.length <= sampleCharacters)),
      max_record_size: mostCellCharacters,
      relax_column_count: !header,
      skip_empty_lines: true,
    })
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code !== 'CSV_MAX_RECORD_SIZE') throw error
    throw new Error(`a row has more than ${mostCellCharacters} characters; a quote may be open: ${message}`)
  }
}

const readYaml = (text: string): unknown => {
  const documents = parseAllDocuments(text, { logLevel: 'silent' })
  if (!Array.isArray(documents)) return null
  const values = documents.map((document) => {
    const [fault] = document.errors
    if (fault) throw new Error(fault.message)
    return document.toJS({ maxAliasCount: mostAliases })
  })
  return values.length > 1 ? values : (values[0] ?? null)
}

/** Reads a document. Throws an error that names the fault. */
export const readDocument = async (work: Extract<ShapeWork, { kind: 'parse' }>): Promise<unknown> => {
  const { format, content } = work
  if (format === 'pdf') {
    return (await import('./read-pdf.ts')).readPdf(
      typeof content === 'string' ? Buffer.from(content, 'base64') : content,
    )
  }
  const text = typeof content === 'string' ? content : Buffer.from(content).toString()
  switch (format) {
    case 'json':
      return readJson(text)
    case 'jsonl':
      return readJsonLines(text)
    case 'csv':
    case 'tsv':
      return readCsv(text, work)
    case 'yaml':
      return readYaml(text)
    case 'xml':
      return readXml(text)
    case 'html':
      return readHtml(text)
  }
}
