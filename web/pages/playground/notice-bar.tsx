import { Button, IconButton } from '../../ui/button.tsx'

/** Something that just happened to the draft. A short message at the edge of the page would cover the send button. */
export interface PlaygroundNotice {
  text: string
  isBad?: boolean
  undo?: () => void
}

/** Says it above the question, until it is closed or something is sent. */
export const NoticeBar = ({ notice, onClose }: { notice: PlaygroundNotice; onClose: () => void }) => (
  <div
    role={notice.isBad ? 'alert' : 'status'}
    className="flex shrink-0 items-center gap-2 border-line border-t bg-sunk py-1 pr-2 pl-4"
  >
    <span className={`min-w-0 flex-1 whitespace-pre-line [overflow-wrap:anywhere] ${notice.isBad ? 'text-bad' : ''}`}>
      {notice.text}
    </span>
    {notice.undo && (
      <Button
        look="quiet"
        onClick={() => {
          onClose()
          notice.undo?.()
        }}
      >
        Undo
      </Button>
    )}
    <IconButton icon="cross" label="Dismiss" onClick={onClose} />
  </div>
)
