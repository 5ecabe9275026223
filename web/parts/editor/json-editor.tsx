import { json, jsonParseLinter } from '@codemirror/lang-json'
import type { Diagnostic } from '@codemirror/lint'
import type { EditorView } from '@codemirror/view'
import { type RefObject, useEffect, useImperativeHandle } from 'react'
import { EditorBox } from './editor-box.tsx'
import { editOfMember } from './json-edit.ts'
import { spanOfPointer } from './json-span.ts'
import { type EditorProps, selectSpan, showSpan, useTextEditor } from './use-text-editor.ts'

/** A finding about the member that a JSON Pointer names. */
interface EditorProblem {
  pointer: string
  severity: 'error' | 'warning'
  message: string
  hint?: string | null
}

/** What a page can ask of an editor. */
export interface EditorHandle {
  /** Selects the member that a JSON Pointer names, and scrolls to it. */
  show: (pointer: string) => void
  /** Sets a member to a value, a JSON text, or removes it. The change can be undone like one that was typed. */
  edit: (path: readonly string[], value: string | undefined) => void
}

interface JsonEditorProps extends EditorProps {
  problems: readonly EditorProblem[]
  handle?: RefObject<EditorHandle | null>
  /** JSON Pointer of the member that is in view when the editor opens. */
  first?: string | undefined
}

const language = json()
const syntaxFaults = jsonParseLinter()

const diagnosticsOf = (view: EditorView, problems: readonly EditorProblem[]): Diagnostic[] => {
  const faults = syntaxFaults(view)
  if (faults.length > 0) return faults // places in a broken text mislead
  const text = view.state.doc.toString()
  return problems.map(({ pointer, severity, message, hint }) => ({
    ...spanOfPointer(text, pointer),
    severity,
    message: hint ? `${message}\n${hint}` : message,
  }))
}

/** An editor of a JSON document, with problems underlined where they are. */
const JsonEditor = ({ problems, handle, first, ...props }: JsonEditorProps) => {
  const { box, view } = useTextEditor(props, language, (opened) => diagnosticsOf(opened, problems), problems)
  useImperativeHandle(handle, () => ({
    show: (pointer) => selectSpan(view.current, spanOfPointer(view.current?.state.doc.toString() ?? '', pointer)),
    edit: (path, value) => {
      const changes = editOfMember(view.current?.state.doc.toString() ?? '', path, value)
      if (changes) view.current?.dispatch({ changes, userEvent: 'input.form' })
    },
  }))
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when it opens
  useEffect(() => {
    if (first !== undefined && view.current) showSpan(view.current, spanOfPointer(props.text, first))
  }, [])
  return <EditorBox box={box} />
}

export default JsonEditor
