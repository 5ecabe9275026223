import { json } from '@codemirror/lang-json'
import { MergeView, unifiedMergeView } from '@codemirror/merge'
import { EditorState, type Extension } from '@codemirror/state'
import { EditorView, lineNumbers } from '@codemirror/view'
import { editorTheme } from '../editor/theme.ts'
import { useShadowPlace, visibleControls } from '../editor/use-text-editor.ts'

interface JsonDiffProps {
  before: string
  after: string
  label: string
}

const read: Extension = [
  visibleControls,
  lineNumbers(),
  json(),
  EditorState.readOnly.of(true),
  EditorView.lineWrapping,
  editorTheme,
]
const collapseUnchanged = { margin: 3, minSize: 6 }

/** Two columns need 768 px. */
const isNarrow = () => window.matchMedia('(max-width: 767px)').matches

/** What changed between two JSON texts: side by side, or one below the other on a phone. Unchanged parts are folded. */
const JsonDiff = ({ before, after, label }: JsonDiffProps) => {
  const box = useShadowPlace(
    (root) => {
      const named = EditorView.contentAttributes.of({ 'aria-label': label })
      if (isNarrow()) {
        const changes = unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged })
        const view = new EditorView({
          root,
          parent: root,
          state: EditorState.create({ doc: after, extensions: [named, read, changes] }),
        })
        return () => view.destroy()
      }
      const view = new MergeView({
        root,
        parent: root,
        a: { doc: before, extensions: [named, read] },
        b: { doc: after, extensions: [named, read] },
        collapseUnchanged,
      })
      return () => view.destroy()
    },
    [before, after, label],
  )
  return <div ref={box} className="overflow-auto rounded-m border border-line" />
}

export default JsonDiff
