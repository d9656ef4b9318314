//! What stands between the programs that the shell starts and the rest of the system: their name service and console.
//!
//! Each program gets a name service of its own, in which `console` is a port of the shell's; every other request goes on
//! to a name service of root's that is this program's alone: what it registers there goes with it. A write to that console goes on to the real one, or into the file that the user named. A read goes on while the program is in the foreground; in
//! the background the input has ended, so that no such program takes what is typed to the shell. Keys and the interrupt
//! key are for programs in the foreground alone. Requests that go on carry the program's own right for the answer: the
//! shell has nothing to remember of them, and a program that is gone has nothing of the shell's.
//!
//! A thread of its own serves all programs, so that they run while the shell waits for something else.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use libmach::msg::{CarriedRight, PortMessage, Timeout, mach_msg_destroy, receive, reply, send};
use libmach::port::{
    Disposition, Right, mach_port_allocate, mach_port_deallocate, mach_port_mod_refs, mach_port_move_member,
    mach_port_request_notification, notify,
};
use libmach::sync::Mutex;
use libmach::task::mach_task_self;
use libmach::{KernReturn, PortName, Result, names, thread};
use mach_protocol::service::{CONSOLE, CONSOLE_READ, CONSOLE_WRITE, NAMES_LOOKUP, answer, requested_name};

use crate::sink::Shared;
use crate::terminal::on_new_line;

/// The program in the foreground; 0 if there is none.
static FOREGROUND: AtomicU64 = AtomicU64::new(0);
/// Whether what was shown last ended a line.
static AT_LINE_START: AtomicBool = AtomicBool::new(true);

/// Notes what was shown.
pub(crate) fn note_shown(bytes: &[u8]) {
    if let Some(last) = bytes.last() {
        AT_LINE_START.store(*last == b'\n', Ordering::Relaxed);
    }
}

/// Whether what was shown last ended a line.
pub(crate) fn is_at_line_start() -> bool {
    AT_LINE_START.load(Ordering::Relaxed)
}

/// Puts a program into the foreground, or none.
pub(crate) fn set_foreground(program: Option<u64>) {
    FOREGROUND.store(program.unwrap_or(0), Ordering::Relaxed);
}

/// The ports of one program.
#[derive(Clone)]
struct View {
    program: u64,
    bootstrap: PortName,
    console: PortName,
    /// Root's name service for it.
    outside: PortName,
    /// Where its output goes, if not to the console.
    sink: Option<Shared>,
}

/// The programs, by either of their ports.
type Views = Arc<Mutex<BTreeMap<PortName, View>>>;

/// The thread that attends to programs, from outside.
pub(crate) struct Attendant {
    views: Views,
    set: PortName,
}

impl Attendant {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Those of making ports and threads.
    pub(crate) fn start(console: PortName) -> Result<Self> {
        let me = mach_task_self();
        let set = mach_port_allocate(me, Right::PORT_SET)?;
        let views: Views = Arc::new(Mutex::new(BTreeMap::new()));
        let worker = Worker { views: Arc::clone(&views), set, console };
        // The thread lives as long as the shell.
        let _ = thread::spawn(move || worker.serve())?;
        Ok(Self { views, set })
    }

    /// Makes the ports of a program. Answers that of its name service, of which [`Attendant::watch`] has to be told when
    /// the program has its right.
    ///
    /// # Errors
    ///
    /// Those of making ports, here and in root.
    pub(crate) fn attend(&self, program: u64, sink: Option<Shared>) -> Result<PortName> {
        let me = mach_task_self();
        let bootstrap = mach_port_allocate(me, Right::RECEIVE)?;
        let console = mach_port_allocate(me, Right::RECEIVE).inspect_err(|_| destroy(bootstrap))?;
        let outside = names::divide().inspect_err(|_| [bootstrap, console].into_iter().for_each(destroy))?;
        let view = View { program, bootstrap, console, outside, sink };
        let mut views = self.views.lock();
        for port in [bootstrap, console] {
            views.insert(port, view.clone());
        }
        drop(views);
        for port in [bootstrap, console] {
            mach_port_move_member(me, port, self.set)?;
        }
        Ok(bootstrap)
    }

    /// Has a program forgotten when nobody has a right to its name service any more: at once, if it was never started.
    ///
    /// # Errors
    ///
    /// Those of `mach_port_request_notification`.
    pub(crate) fn watch(&self, bootstrap: PortName) -> Result<()> {
        let me = mach_task_self();
        let once = Disposition::MAKE_SEND_ONCE;
        mach_port_request_notification(me, bootstrap, notify::NO_SENDERS, 0, bootstrap, once).map(drop)
    }
}

/// The thread that attends to programs, from inside.
struct Worker {
    views: Views,
    set: PortName,
    console: PortName,
}

impl Worker {
    /// Serves until the ports are gone.
    fn serve(&self) {
        while let Ok(message) = receive(self.set, Timeout::Never) {
            let port = message.header.local.name;
            let view = self.views.lock().get(&port).cloned();
            match view {
                Some(view) if port == view.bootstrap && is_no_senders(&message) => self.end(&view),
                Some(view) if port == view.bootstrap => self.name_request(&view, &message),
                Some(view) => self.console_request(&view, &message),
                None => mach_msg_destroy(&message),
            }
        }
    }

    /// Nobody has a right to the name service any more: the program is gone, and so are those that it started. What they
    /// wrote last may still wait.
    fn end(&self, view: &View) {
        let mut views = self.views.lock();
        for port in [view.bootstrap, view.console] {
            views.remove(&port);
        }
        drop(views);
        let me = mach_task_self();
        if mach_port_move_member(me, view.console, PortName::NULL).is_ok() {
            while let Ok(message) = receive(view.console, Timeout::Millis(0)) {
                self.console_request(view, &message);
            }
        }
        // Who started the program said what went wrong before; what comes from others that it started is written only.
        let _ = view.sink.as_ref().map(|sink| sink.lock().finish());
        destroy(view.bootstrap);
        destroy(view.console);
        // The shell's own right: a failure means that root is gone.
        let _ = mach_port_deallocate(me, view.outside);
    }

    /// Shows the user a line.
    fn complain(&self, why: &str) {
        let mut message = PortMessage::new(CONSOLE_WRITE);
        let line = alloc::format!("{why}\n");
        message.push_bytes(on_new_line(&line).as_bytes());
        // Without a console there is nobody to be told.
        let _ = libmach::msg::rpc(self.console, &message);
        note_shown(line.as_bytes());
    }

    fn name_request(&self, view: &View, request: &PortMessage) {
        let wants_console = request.header.id == NAMES_LOOKUP
            && requested_name(request).is_some_and(|name| name.bytes().eq(CONSOLE.bytes()));
        if !wants_console {
            return forward(request, view.outside);
        }
        let mut found = answer(NAMES_LOOKUP, KernReturn::SUCCESS);
        let right = CarriedRight { name: view.console, disposition: Disposition::MAKE_SEND };
        // An answer has room for a right.
        let _ = found.push_right(right);
        answer_to(request, &found);
    }

    fn console_request(&self, view: &View, request: &PortMessage) {
        let is_foreground = FOREGROUND.load(Ordering::Relaxed) == view.program;
        match request.header.id {
            CONSOLE_WRITE if view.sink.is_some() => {
                let Some(sink) = &view.sink else { return };
                let mut sink = sink.lock();
                let code = sink.write(request.data_bytes_from(0));
                let complaint = sink.complaint();
                drop(sink);
                complaint.iter().for_each(|why| self.complain(why));
                answer_to(request, &answer(CONSOLE_WRITE, code));
            }
            CONSOLE_WRITE => {
                let last = request.data_bytes_from(0).last();
                last.into_iter().for_each(|last| note_shown(&[last]));
                forward(request, self.console);
            }
            _ if is_foreground => forward(request, self.console),
            // The input has ended.
            CONSOLE_READ => answer_to(request, &answer(CONSOLE_READ, KernReturn::SUCCESS)),
            id => answer_to(request, &answer(id, KernReturn::NO_ACCESS)),
        }
    }
}

/// Whether a message is the server's word that nobody has a right to the port.
fn is_no_senders(message: &PortMessage) -> bool {
    message.header.is_from_server && message.header.id == notify::NO_SENDERS as i32
}

/// Sends a request on, with the rights that it brought.
fn forward(request: &PortMessage, to: PortName) {
    let mut on = request.clone();
    on.header.local = request.header.remote;
    on.header.remote = CarriedRight { name: to, disposition: Disposition::COPY_SEND };
    if send(&on, Timeout::Never).is_err() {
        mach_msg_destroy(request);
    }
}

/// Answers a request, without waiting, and gives up what it brought.
fn answer_to(request: &PortMessage, answer: &PortMessage) {
    let mut rest = request.clone();
    if reply(request, answer).is_ok() {
        rest.header.remote = CarriedRight::default();
    }
    mach_msg_destroy(&rest);
}

/// Destroys a port of the shell's.
fn destroy(port: PortName) {
    // It is the shell's own: a failure means that it is gone.
    let _ = mach_port_mod_refs(mach_task_self(), port, Right::RECEIVE, -1);
}
