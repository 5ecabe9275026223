import { autocompletion, type CompletionSource, closeBrackets } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { json, jsonParseLinter } from '@codemirror/lang-json'
import { bracketMatching, foldGutter, indentOnInput } from '@codemirror/language'
import { type Diagnostic, forceLinting, linter, lintGutter, lintKeymap } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension, StateEffect } from '@codemirror/state'
import { EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
import { type RefObject, useEffect, useImperativeHandle, useRef } from 'react'
import { spanOfPointer } from './json-span.ts'
import { useShadowPlace } from './shadow-place.ts'
import { editorTheme } from './theme.ts'

/** A finding about the member that a JSON Pointer names. */
export interface EditorProblem {
  pointer: string
  severity: 'error' | 'warning'
  message: string
  hint?: string | null
}

/** What a page can ask of an editor. */
export interface EditorHandle {
  /** Selects the member that a JSON Pointer names, and scrolls to it. */
  show: (pointer: string) => void
}

interface JsonEditorProps {
  label: string
  /** The text at first. Give the component another key to replace it. */
  text: string
  onChange: (text: string) => void
  problems: readonly EditorProblem[]
  onSave?: () => void
  isReadOnly?: boolean
  complete?: CompletionSource
  handle?: RefObject<EditorHandle | null>
}

const standard: Extension = [
  lineNumbers(),
  foldGutter(),
  history(),
  indentOnInput(),
  bracketMatching(),
  closeBrackets(),
  highlightActiveLine(),
  highlightSelectionMatches(),
  search({ top: true }),
  lintGutter(),
  json(),
  keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, ...lintKeymap, indentWithTab]),
  editorTheme,
]

/** Says that there are other problems, though the text is the same. */
const otherProblems = StateEffect.define()

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
const JsonEditor = (props: JsonEditorProps) => {
  const { label, problems, isReadOnly = false, complete, handle } = props
  const latest = useRef(props)
  latest.current = props
  const view = useRef<EditorView>(null)
  const box = useShadowPlace(
    (root) => {
      const save = () => {
        latest.current.onSave?.()
        return true
      }
      const own: Extension = [
        EditorView.contentAttributes.of({ 'aria-label': label }),
        EditorState.readOnly.of(isReadOnly),
        EditorView.updateListener.of(({ docChanged, state }) => {
          if (docChanged) latest.current.onChange(state.doc.toString())
        }),
        linter((opened) => diagnosticsOf(opened, latest.current.problems), {
          delay: 150,
          needsRefresh: ({ transactions }) =>
            transactions.some(({ effects }) => effects.some((one) => one.is(otherProblems))),
        }),
        autocompletion(complete ? { override: [complete] } : {}),
        keymap.of([{ key: 'Mod-s', preventDefault: true, run: save }]),
      ]
      const opened = new EditorView({
        root,
        parent: root,
        state: EditorState.create({ doc: latest.current.text, extensions: [own, standard] }),
      })
      view.current = opened
      return () => {
        view.current = null
        opened.destroy()
      }
    },
    [label, isReadOnly, complete],
  )
  // biome-ignore lint/correctness/useExhaustiveDependencies: new problems are read when the editor asks for them
  useEffect(() => {
    view.current?.dispatch({ effects: otherProblems.of(null) })
    if (view.current) forceLinting(view.current)
  }, [problems])
  useImperativeHandle(handle, () => ({
    show: (pointer) => {
      const opened = view.current
      if (!opened) return
      const { from, to } = spanOfPointer(opened.state.doc.toString(), pointer)
      opened.dispatch({
        selection: { anchor: from, head: to },
        effects: EditorView.scrollIntoView(from, { y: 'center' }),
      })
      opened.focus()
    },
  }))
  return (
    // Keys of the page would see the box around the editor, not the text that is typed into.
    // biome-ignore lint/a11y/noStaticElementInteractions: it only keeps keys from the page
    <div
      ref={box}
      onKeyDown={(event) => {
        if (!event.metaKey && !event.ctrlKey) event.stopPropagation()
      }}
      className="min-h-0 flex-1 overflow-hidden"
    />
  )
}

export default JsonEditor
