//! Doorbells, and what the server's own messages carry beyond those of tasks.

use super::*;

fn rung(ports: &mut Ports) -> Vec<Bell> {
    let events: Vec<Event> = core::iter::from_fn(|| ports.next_event()).collect();
    events.into_iter().filter_map(|event| if let Event::Ring(bell) = event { Some(bell) } else { None }).collect()
}

fn post(ports: &mut Ports, space: SpaceId, name: Name) {
    let right = ports.extract_right(space, name, MAKE_ONCE).unwrap();
    assert_eq!(ports.send(Message::new(right, Right::Null, 1, Data::new(), Rights::new()), None), Sent::Done);
}

fn take(ports: &mut Ports, space: SpaceId, name: Name) -> Delivered {
    match ports.receive(space, name, None) {
        Ok(Received::Message(message, port)) => ports.deliver(space, message, port),
        other => panic!("a message, not {other:?}"),
    }
}

#[test]
fn a_bell_rings_when_a_queue_is_no_longer_empty() {
    let mut ports = Ports::new();
    let space = ports.create_space();
    let name = ports.new_port(space);
    let bell = Bell(7);
    let hook = ports.hook(space, name).unwrap();
    ports.hang_bell(hook, bell);
    ports.hang_bell(hook, bell);
    assert_eq!(rung(&mut ports), [], "nothing waits");
    post(&mut ports, space, name);
    assert_eq!(rung(&mut ports), [bell], "once, however often it was hung up");
    post(&mut ports, space, name);
    assert_eq!(rung(&mut ports), [], "not for a queue that was not empty");
    ports.unhang_bell(hook, bell);
    ports.hang_bell(hook, bell);
    assert_eq!(rung(&mut ports), [bell], "at once, for messages that wait");
    let _ = (take(&mut ports, space, name), take(&mut ports, space, name));
    ports.unhang_bell(hook, bell);
    post(&mut ports, space, name);
    assert_eq!(rung(&mut ports), []);
    ports.assert_valid();
}

#[test]
fn a_bell_on_a_set_rings_for_its_members_and_for_its_end() {
    let mut ports = Ports::new();
    let space = ports.create_space();
    let (one, other, set) = (ports.new_port(space), ports.new_port(space), ports.allocate(space, SET).unwrap());
    let hook = ports.hook(space, set).unwrap();
    ports.hang_bell(hook, Bell(1));
    ports.move_member(space, one, set).unwrap();
    assert_eq!(rung(&mut ports), []);
    post(&mut ports, space, one);
    assert_eq!(rung(&mut ports), [Bell(1)]);
    post(&mut ports, space, other);
    assert_eq!(rung(&mut ports), []);
    ports.move_member(space, other, set).unwrap();
    assert_eq!(rung(&mut ports), [Bell(1)], "its messages came with it");
    ports.destroy(space, set).unwrap();
    assert_eq!(rung(&mut ports), [Bell(1)]);
    assert!(!ports.is_hook(hook));
    assert_eq!(ports.hook(space, set), Err(K::INVALID_NAME));
    ports.assert_valid();
}

#[test]
fn a_bell_rings_when_its_port_dies() {
    let mut ports = Ports::new();
    let space = ports.create_space();
    let name = ports.allocate(space, RECEIVE).unwrap();
    let hook = ports.hook(space, name).unwrap();
    ports.hang_bell(hook, Bell(3));
    ports.destroy(space, name).unwrap();
    assert_eq!((rung(&mut ports), ports.is_hook(hook)), (vec![Bell(3)], false));
}

#[test]
fn only_the_servers_messages_say_that_they_are() {
    let mut ports = Ports::new();
    let space = ports.create_space();
    let name = ports.new_port(space);
    post(&mut ports, space, name);
    assert_eq!(take(&mut ports, space, name).message.origin, Origin::Server);
    let header = Header { remote: name, remote_disposition: COPY_SEND, local: NULL, local_disposition: 0, id: 2208 };
    let forged = ports.copy_in(space, header, smallvec![], &[]).unwrap();
    assert_eq!(ports.send(forged, None), Sent::Done);
    assert_eq!(take(&mut ports, space, name).message.origin, Origin::Task);
}

#[test]
fn the_server_hears_what_became_of_a_marked_message() {
    let mut ports = Ports::new();
    let space = ports.create_space();
    let name = ports.new_port(space);
    for number in [4, 5] {
        let right = ports.extract_right(space, name, MAKE_ONCE).unwrap();
        let message = Message::new(right, Right::Null, 1, Data::from_slice(&[9]), Rights::new());
        let mark = Mark { number, address_word: None };
        assert_eq!(ports.send(message.with_mark(mark), None), Sent::Done);
    }
    let _ = take(&mut ports, space, name);
    ports.destroy(space, name).unwrap();
    let events: Vec<Event> = core::iter::from_fn(|| ports.next_event()).collect();
    assert_eq!(events, [Event::Delivered(4), Event::Destroyed(5)]);
    assert_eq!(ports.queued(), 0);
}
