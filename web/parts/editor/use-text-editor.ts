import { autocompletion, type CompletionSource, closeBrackets } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, foldGutter, indentOnInput } from '@codemirror/language'
import { type Diagnostic, forceLinting, linter, lintGutter, lintKeymap } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension, StateEffect } from '@codemirror/state'
import { EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from '@codemirror/view'
import { type RefObject, useEffect, useRef } from 'react'
import { flushSync } from 'react-dom'
import type { TextSpan } from './text-span.ts'
import { editorTheme } from './theme.ts'

/**
 * Gives an editor a shadow root to live in. There it styles itself with adopted style sheets, which the content security
 * policy of the pages allows; in the page it would write a `<style>`, which the policy refuses. `open` returns what
 * closes the editor. It is called again when one of the three values changes.
 */
export const useShadowPlace = (
  open: (root: ShadowRoot) => () => void,
  [one, two, three]: readonly [unknown, unknown, unknown],
): RefObject<HTMLDivElement | null> => {
  const box = useRef<HTMLDivElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the caller says when a new editor is needed
  useEffect(() => {
    const host = box.current
    if (!host) return
    return open(host.shadowRoot ?? host.attachShadow({ mode: 'open' }))
  }, [one, two, three])
  return box
}

/** What every editor is given. */
export interface EditorProps {
  label: string
  /** The text at first. Give the component another key to replace it. */
  text: string
  onChange: (text: string) => void
  onSave?: () => void
  /** Ctrl+Enter, or ⌘Enter. */
  onRun?: () => void
  isReadOnly?: boolean
  complete?: CompletionSource
}

/**
 * Types over a selection. A browser would keep the colour of what it replaces as an inline style, which the content
 * security policy of the pages refuses.
 */
const typeOver = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const { data, inputType } = event as InputEvent
    const { from, to, empty } = view.state.selection.main
    if (inputType !== 'insertText' || !data || empty || view.composing) return false
    event.preventDefault()
    if (view.state.readOnly) return true
    const insert = () => view.state.update(view.state.replaceSelection(data), { userEvent: 'input.type' })
    const isTaken = view.state.facet(EditorView.inputHandler).some((take) => take(view, from, to, data, insert))
    if (!isTaken) view.dispatch(insert())
    return true
  },
})

/** Draws controls of direction as marks, also those that CodeMirror leaves out by itself. */
export const visibleControls = highlightSpecialChars({ addSpecialChars: /[\u202a-\u202c\u2068]/g })

const standard: Extension = [
  visibleControls,
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
  typeOver,
  keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, ...lintKeymap, indentWithTab]),
  editorTheme,
]

/** Says that there are other problems, though the text is the same. */
const otherProblems = StateEffect.define()

interface TextEditor {
  box: RefObject<HTMLDivElement | null>
  view: RefObject<EditorView | null>
}

/**
 * Opens an editor in a box. `diagnose` finds the faults of a text; it is asked again when the text or `problems` change.
 */
export const useTextEditor = (
  props: EditorProps,
  language: Extension,
  diagnose: (view: EditorView) => Diagnostic[],
  problems: unknown,
): TextEditor => {
  const { label, isReadOnly = false, complete } = props
  const latest = useRef({ props, diagnose })
  latest.current = { props, diagnose }
  const view = useRef<EditorView>(null)
  const box = useShadowPlace(
    (root) => {
      const does = (name: 'onSave' | 'onRun') => () => {
        latest.current.props[name]?.()
        return true
      }
      const own: Extension = [
        // Tab reaches the text anyway; the number tells it to programs that look at the page.
        EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
        EditorState.readOnly.of(isReadOnly),
        EditorView.updateListener.of(({ docChanged, state }) => {
          // A key that saves may follow at once. Within a shadow root React would take the change for less urgent than that.
          if (docChanged) flushSync(() => latest.current.props.onChange(state.doc.toString()))
        }),
        linter((opened) => latest.current.diagnose(opened), {
          delay: 150,
          needsRefresh: ({ transactions }) =>
            transactions.some(({ effects }) => effects.some((one) => one.is(otherProblems))),
        }),
        autocompletion(complete ? { override: [complete] } : {}),
        keymap.of([
          { key: 'Mod-s', preventDefault: true, run: does('onSave') },
          ...(props.onRun ? [{ key: 'Mod-Enter', preventDefault: true, run: does('onRun') }] : []),
        ]),
      ]
      const opened = new EditorView({
        root,
        parent: root,
        state: EditorState.create({ doc: latest.current.props.text, extensions: [own, language, standard] }),
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
  return { box, view }
}

/** Selects a part of the text and scrolls to it. */
export const showSpan = (view: EditorView, { from, to }: TextSpan): void =>
  view.dispatch({
    selection: { anchor: from, head: to },
    effects: EditorView.scrollIntoView(from, { y: 'center' }),
  })

/** Selects a part of the text, scrolls to it, and takes the focus there. */
export const selectSpan = (view: EditorView | null, span: TextSpan): void => {
  if (view) showSpan(view, span)
  view?.focus()
}
