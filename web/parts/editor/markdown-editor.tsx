import { StreamLanguage } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { type RefObject, useImperativeHandle } from 'react'
import { EditorBox } from './editor-box.tsx'
import { type LineColumn, spanAt } from './text-span.ts'
import { type EditorProps, selectSpan, useTextEditor } from './use-text-editor.ts'

/** What a line of text is read with; `StringStream` of CodeMirror has it. */
interface LineReader {
  sol: () => boolean
  eol: () => boolean
  match: (pattern: RegExp) => unknown
  next: () => unknown
  skipToEnd: () => void
}

interface RunbookTokens {
  isFirstLine: boolean
  isFrontMatter: boolean
  /** The fence that ends the block of code. */
  fence: string | undefined
  isHeading: boolean
}

const plain = /^[^{`]+/
const variable = /^\{\{\s*[\w.-]+\s*\}\}/

const fenceOf = (found: unknown): string | undefined => (Array.isArray(found) ? String(found[1]) : undefined)

const beginLine = (line: LineReader, state: RunbookTokens): string | null | undefined => {
  const isFirst = state.isFirstLine
  state.isFirstLine = false
  state.isHeading = false
  if (state.fence !== undefined) {
    if (!line.match(new RegExp(`^\\s*${state.fence}\\s*$`))) return undefined
    state.fence = undefined
    return 'meta'
  }
  if ((isFirst || state.isFrontMatter) && line.match(/^---\s*$/)) {
    state.isFrontMatter = isFirst
    return 'meta'
  }
  if (state.isFrontMatter) return line.match(/^\s*(- )?[\w-]+(?=:(\s|$))/) ? 'propertyName' : undefined
  const fence = fenceOf(line.match(/^\s*(`{3,}|~{3,})/))
  if (fence !== undefined) {
    state.fence = fence
    line.skipToEnd()
    return 'meta'
  }
  if (line.match(/^#{1,6}\s+/)) {
    state.isHeading = true
    return 'heading'
  }
  return line.match(/^\s*([-*+]|\d+[.)])\s+(\[[ xX]\]\s)?/) ? 'list' : undefined
}

const style = ({ fence, isFrontMatter, isHeading }: RunbookTokens): string | null => {
  if (fence !== undefined) return 'monospace'
  if (isFrontMatter) return 'string'
  return isHeading ? 'heading' : null
}

/** Colours a runbook: front matter, headings, lists, code, and `{{variables}}` wherever they stand. */
export const runbookTokens = {
  startState: (): RunbookTokens => ({
    isFirstLine: true,
    isFrontMatter: false,
    fence: undefined,
    isHeading: false,
  }),
  blankLine: (state: RunbookTokens): void => {
    state.isFirstLine = false
  },
  token: (line: LineReader, state: RunbookTokens): string | null => {
    const begun = line.sol() ? beginLine(line, state) : undefined
    if (begun !== undefined) return begun
    if (line.match(variable)) return 'variableName'
    if (state.fence === undefined && !state.isFrontMatter && line.match(/^`[^`]+`/)) return 'monospace'
    if (!line.match(plain)) line.next()
    return style(state)
  },
}

/** A finding about a place in a text. */
interface TextProblem extends LineColumn {
  severity: 'error' | 'warning'
  message: string
  /** What to write instead. */
  fix: string | null
}

/** What a page can ask of an editor of Markdown. */
export interface MarkdownHandle {
  /** Selects what a finding is about, and scrolls to it. */
  show: (place: LineColumn) => void
}

interface MarkdownEditorProps extends EditorProps {
  problems: readonly TextProblem[]
  handle?: RefObject<MarkdownHandle | null>
}

const language = [StreamLanguage.define(runbookTokens), EditorView.lineWrapping]

/** An editor of a runbook, with findings underlined where they are. */
const MarkdownEditor = ({ problems, handle, ...props }: MarkdownEditorProps) => {
  const { box, view } = useTextEditor(
    props,
    language,
    ({ state }) => {
      const text = state.doc.toString()
      return problems.map(({ severity, message, fix, ...place }) => ({
        ...spanAt(text, place),
        severity,
        message: fix === null ? message : `${message}\n${fix}`,
      }))
    },
    problems,
  )
  useImperativeHandle(handle, () => ({
    show: (place) => selectSpan(view.current, spanAt(view.current?.state.doc.toString() ?? '', place)),
  }))
  return <EditorBox box={box} />
}

export default MarkdownEditor
