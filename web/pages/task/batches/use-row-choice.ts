import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { makeLatest } from '../../../data/latest.ts'
import { type EnteredRows, firstLines, rowsOf } from './rows-of.ts'

/** How much of a file is read to show its beginning. */
const previewBytes = 16 * 1024
const previewLines = 4

/** A file of rows, with its beginning. */
export interface ChosenFile {
  file: File
  lines: string[]
  more: boolean
}

/** The rows that a person has chosen. */
export interface RowChoice {
  chosen: ChosenFile | undefined
  choose: (file: File | undefined) => void
  text: string
  setText: (text: string) => void
  entered: EnteredRows
  /** Rows that were typed or pasted. */
  count: number
  isReady: boolean
  /** Sends the file, and gives what a request names its rows by. */
  source: (collection: string) => Promise<{ file_path: string } | { items: Record<string, unknown>[] }>
}

const look = async (file: File): Promise<ChosenFile> => {
  // What cannot be read is refused when it is sent, and says why.
  const beginning = await file
    .slice(0, previewBytes)
    .text()
    .catch(() => '')
  return { file, ...firstLines(beginning, previewLines) }
}

const uploaded = async (collection: string, file: File): Promise<string> => {
  const { path } = await api.uploadFile({
    body: { collection },
    files: [{ field: 'file', name: file.name, content: file }],
  })
  return path
}

/** Keeps the rows that a person chooses. */
export const useRowChoice = (): RowChoice => {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState<ChosenFile>()
  const [latest] = useState(makeLatest)
  const entered = rowsOf(text)
  const rows = 'rows' in entered ? entered.rows : []
  return {
    ...{ chosen, text, setText, entered },
    choose: (file) => {
      if (file === undefined) setChosen(undefined)
      void latest(file && look(file)).then((found) => found && setChosen(found))
    },
    count: rows.length,
    isReady: chosen !== undefined || rows.length > 0,
    source: async (collection) => (chosen ? { file_path: await uploaded(collection, chosen.file) } : { items: rows }),
  }
}
