import { StreamLanguage } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { type RefObject, useImperativeHandle } from 'react'
import { EditorBox } from './editor-box.tsx'
import { runbookTokens } from './markdown-tokens.ts'
import { type LineColumn, spanAt } from './text-span.ts'
import { type EditorProps, selectSpan, useTextEditor } from './use-text-editor.ts'

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
