import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--color-accent)' },
  { tag: tags.string, color: 'var(--color-ok)' },
  { tag: tags.heading, fontWeight: '600' },
  { tag: tags.variableName, color: 'var(--color-accent)' },
  { tag: [tags.meta, tags.monospace, tags.list], color: 'var(--color-muted)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--color-muted)' },
])

const look = EditorView.theme({
  '&': { fontSize: '12px', height: '100%', backgroundColor: 'var(--color-bg)', color: 'var(--color-text)' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '18px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { caretColor: 'var(--color-text)' },
  '.cm-cursor': { borderLeftColor: 'var(--color-text)' },
  '.cm-gutters': { backgroundColor: 'var(--color-sunk)', color: 'var(--color-faint)', border: '0' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--color-sunk)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--color-selection)',
  },
  '.cm-matchingBracket': { backgroundColor: 'var(--color-selection)', outline: '1px solid var(--color-edge)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--color-raised)',
    border: '1px solid var(--color-line)',
    borderRadius: '6px',
    maxWidth: '32rem',
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    backgroundColor: 'var(--color-selection)',
    color: 'var(--color-text)',
  },
  '.cm-panels': { backgroundColor: 'var(--color-sunk)', color: 'var(--color-text)', borderColor: 'var(--color-line)' },
  '.cm-panel.cm-search': {
    ...{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '4px 8px', padding: '6px 28px 6px 8px' },
    ...{ fontFamily: 'var(--font-sans)', fontSize: '12px' },
  },
  '.cm-panel.cm-search br': { display: 'none' },
  '.cm-panel.cm-search .cm-textfield, .cm-panel.cm-search .cm-button': {
    ...{ margin: '0', padding: '2px 8px', fontSize: '12px', color: 'inherit' },
    ...{ backgroundColor: 'var(--color-raised)', backgroundImage: 'none' },
    ...{ border: '1px solid var(--color-line)', borderRadius: '4px' },
  },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--color-bad)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--color-wait)' },
  '.cm-lintRange-error': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--color-bad)',
    textUnderlineOffset: '3px',
  },
  '.cm-lintRange-warning': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--color-wait)',
    textUnderlineOffset: '3px',
  },
  '.cm-changedLine': { backgroundColor: 'var(--color-selection)' },
  '.cm-deletedChunk, .cm-merge-a .cm-changedLine': { backgroundColor: 'var(--color-sunk)' },
  '.cm-changedText, .cm-deletedText': { background: 'none', textDecoration: 'underline 2px var(--color-accent)' },
  '.cm-selectionMatch': { backgroundColor: 'var(--color-selection)' },
  '.cm-collapsedLines::before, .cm-collapsedLines::after': { content: '""', margin: '0' },
  '.cm-collapsedLines': {
    background: 'var(--color-sunk)',
    color: 'var(--color-muted)',
    padding: '2px 8px',
  },
})

/** Colours of editors, from the tokens of the page: they reach into a shadow root. */
export const editorTheme = [look, syntaxHighlighting(colours)]
